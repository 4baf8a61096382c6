// What a call costs beside its arithmetic: sums of 2 x 2 matrices without gradients, a thousand at a time, against Python's.
import { contest } from './contest.mjs';
import { rowOf } from './row.mjs';

const OURS = new URL('./ours/overhead.mjs', import.meta.url);
const PYTORCH = new URL('./peers/overhead.py', import.meta.url);
const DTYPE = 'float32';
const CASES = [
  ['1,000 adds of 2x2, each result ended at once', 'single'],
  ['chain of 1,000 adds of 2x2 in a scope', 'chain'],
];

/** The rows of this suite. */
export async function rows(context) {
  const made = [];
  for (const [name, kind] of CASES) {
    if (!context.begins(name, DTYPE)) continue;
    const sides = {
      ours: context.side('halfway', OURS),
      peers: [context.side('PyTorch inference_mode', PYTORCH)],
    };
    const { ours, peers } = await contest(sides, { kind }, context.pace);
    made.push(rowOf({ name, dtype: DTYPE, maxRatio: 1 }, ours, peers));
  }
  return made;
}
