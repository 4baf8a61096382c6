// One training step (forward, backward, clipped norm, AdamW), data on the device, against the same network in PyTorch with fused AdamW,
// eager or compiled, whichever is faster; and what the reconstruction task adds to a step, its views included.
import { contest } from './contest.mjs';
import { computeDtypes } from './machine.mjs';
import { stepModels } from './models.mjs';
import { rowOf } from './row.mjs';

const OURS = new URL('./ours/step.mjs', import.meta.url);
const PYTORCH = new URL('./peers/step.py', import.meta.url);
const BF16_BARS = { AMX: 0.8, 'AVX512-BF16': 0.9, CUDA: 1 };
const MAX_TASK_RATIO = 1.147; // arXiv 2503.18753: the task makes training 14.7 % longer

/** The rows of this suite. */
export async function rows(context) {
  const dtypes = computeDtypes(context.processor);
  const { compared, task } = stepModels(context.device);
  const made = [];
  for (const [name, configOf] of compared) {
    for (const dtype of dtypes) {
      if (context.begins(name, dtype)) made.push(await againstPyTorch(context, name, configOf(context.threads), dtype));
    }
  }
  for (const dtype of dtypes) {
    if (context.begins(task.name, dtype)) made.push(await withoutTask(context, task, dtype));
  }
  return made;
}

async function againstPyTorch(context, name, config, dtype) {
  const { compileLimitMs, processor } = context;
  const compiled = { options: { is_compiled: true }, isOptional: true, limitMs: compileLimitMs };
  const peers = [
    context.side('PyTorch eager', PYTORCH),
    ...(compileLimitMs > 0 ? [context.side('PyTorch torch.compile', PYTORCH, compiled)] : []),
  ];
  const result = await contest({ ours: context.side('halfway', OURS), peers }, { config, dtype }, context.pace);
  const maxRatio = dtype === 'float32' ? 1 : BF16_BARS[processor.capability];
  return rowOf({ name, dtype, maxRatio, note: result.note }, result.ours, result.peers);
}

async function withoutTask(context, { name, withTask, without }, dtype) {
  const side = (title, configOf) => {
    const options = { config: configOf(context.threads), rendersViews: true };
    return context.side(title, OURS, { options });
  };
  const sides = { ours: side('halfway', withTask), peers: [side('recon.target=none', without)] };
  const { ours, peers } = await contest(sides, { dtype }, context.pace);
  return rowOf({ name, dtype, maxRatio: MAX_TASK_RATIO }, ours, peers);
}
