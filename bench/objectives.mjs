// The bases: one training step of iBOT, DINOv2 and SimCLR against the same step in PyTorch, time and peak memory; what the task adds at the
// paper's sizes; and a whole DINOv2 loop on photos against lightly-train's.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lightlyLoop } from './lightly.mjs';
import { computeDtypes } from './machine.mjs';
import { peakMemory } from './memory.mjs';
import { OBJECTIVE_MODELS, PAPER_TASKS } from './models.mjs';
import { againstPyTorch, withoutTask } from './step.mjs';

const PYTORCH = new URL('./peers/objectives.py', import.meta.url);
const MAX_RATIOS = { float32: 1, bfloat16: 0.9 };

/** The rows of this suite. */
export async function rows(context) {
  const folder = mkdtempSync(join(tmpdir(), 'halfway-bench-objectives-'));
  try {
    const dtypes = computeDtypes(context.processor);
    const made = [];
    for (const [name, configOf] of OBJECTIVE_MODELS) {
      for (const dtype of dtypes) {
        // First weights, views and masks of ours, for the peer to begin with: both must then have the same loss.
        const options = { config: configOf(context.threads), dtype, exchange: join(folder, 'first.safetensors') };
        const model = { name, peer: PYTORCH, options, maxRatio: MAX_RATIOS[dtype] };
        if (context.begins(name, dtype)) made.push(await againstPyTorch(context, model));
        if (context.begins(`peak memory of ${name}`, dtype)) made.push(await peakMemory(context, model));
      }
    }
    for (const task of PAPER_TASKS) {
      for (const dtype of dtypes) {
        if (context.begins(task.name, dtype)) made.push(await withoutTask(context, task, dtype));
      }
    }
    return [...made, ...(await lightlyLoop(context, dtypes))];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
