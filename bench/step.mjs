// One training step (forward, backward, clipped norm, AdamW), data on the device, against the same network in PyTorch with fused AdamW,
// eager or compiled, whichever is faster; and what the reconstruction task adds to a step, its views included.
import { contest } from './contest.mjs';
import { computeDtypes } from './machine.mjs';
import { stepModels } from './models.mjs';
import { rowOf } from './row.mjs';

const OURS = new URL('./ours/step.mjs', import.meta.url);
const PYTORCH = new URL('./peers/step.py', import.meta.url);
const BF16_BARS = { AMX: 0.8, 'AVX512-BF16': 0.9, CUDA: 1 };

/** The rows of this suite. */
export async function rows(context) {
  const dtypes = computeDtypes(context.processor);
  const { compared, task } = stepModels(context.device);
  const made = [];
  for (const [name, configOf] of compared) {
    for (const dtype of dtypes) {
      const options = { config: configOf(context.threads), dtype };
      const maxRatio = dtype === 'float32' ? 1 : BF16_BARS[context.processor.capability];
      if (context.begins(name, dtype))
        made.push(await againstPyTorch(context, { name, peer: PYTORCH, options, maxRatio }));
    }
  }
  for (const dtype of dtypes) {
    if (context.begins(task.name, dtype)) made.push(await withoutTask(context, task, dtype));
  }
  return made;
}

/**
 * The row of a model: ours against the faster of PyTorch eager and compiled.
 * @param model name and bar of the row, the peer's program, and what all sides prepare: config, dtype ...
 */
export async function againstPyTorch(context, { name, peer, options, maxRatio }) {
  const { compileLimitMs } = context;
  const compiled = { options: { is_compiled: true }, isOptional: true, limitMs: compileLimitMs };
  const peers = [
    context.side('PyTorch eager', peer),
    ...(compileLimitMs > 0 ? [context.side('PyTorch torch.compile', peer, compiled)] : []),
  ];
  const result = await contest({ ours: context.side('halfway', OURS), peers }, options, context.pace);
  return rowOf({ name, dtype: options.dtype, maxRatio, note: result.note }, result.ours, result.peers);
}

/** The row of a model with its task against the same without, views included. */
export async function withoutTask(context, { name, withTask, without, maxRatio }, dtype) {
  const side = (title, configOf) => {
    const options = { config: configOf(context.threads), rendersViews: true };
    return context.side(title, OURS, { options });
  };
  const sides = { ours: side('halfway', withTask), peers: [side('recon.target=none', without)] };
  const { ours, peers } = await contest(sides, { dtype }, context.pace);
  return rowOf({ name, dtype, maxRatio }, ours, peers);
}
