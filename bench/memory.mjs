// The most memory that a process takes which does nothing but training steps (those of step.mjs), against PyTorch's in eager mode.
// The ratio of these rows is that of the peaks; what each process took before it made its network is said beside it.
import { contest } from './contest.mjs';
import { computeDtypes } from './machine.mjs';
import { COMPARED_MODELS } from './models.mjs';
import { rowOf, short } from './row.mjs';

const OURS = new URL('./ours/step.mjs', import.meta.url);
const PYTORCH = new URL('./peers/step.py', import.meta.url);
const NUM_STEPS = 5; // the second reaches the peak: its gradients meet the moments that the first has made

/** The rows of this suite. */
export async function rows(context) {
  const made = [];
  for (const [name, configOf] of COMPARED_MODELS) {
    for (const dtype of computeDtypes(context.processor)) {
      if (!context.begins(`peak memory of ${name}`, dtype)) continue;
      const options = { config: configOf(context.threads), dtype };
      made.push(await peakMemory(context, { name, peer: PYTORCH, options }));
    }
  }
  return made;
}

/** The row of a model's peaks; `peer` and `options` as in step.mjs. */
export async function peakMemory(context, { name, peer, options }) {
  const sides = { ours: context.side('halfway', OURS), peers: [context.side('PyTorch eager', peer)] };
  const result = await contest(sides, options, { rounds: NUM_STEPS, turnMs: 0, warmMs: 0 });
  const [theirs] = result.peers;
  const base = [result.ours, theirs].map(({ baseRssMB }) => baseRssMB.toFixed(0)).join(' / ');
  const what = {
    name: `peak memory of ${name}`,
    dtype: options.dtype,
    maxRatio: 1,
    note: `MB before the network was made: ${base}`,
  };
  return { ...rowOf(what, result.ours, result.peers), ratio: short(result.ours.peakRssMB / theirs.peakRssMB) };
}
