// Photos from disk: decoding and two random resized crops on one core, against PIL and torchvision; and the whole pretraining loop with
// its loader, against the same loop in PyTorch with a DataLoader.
import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { loadRecipe } from '../packages/ssl/dist/config/recipe.js';
import { numDecodeProcesses } from '../packages/ssl/dist/data/decode/decodePool.js';
import { numThreads } from '../packages/ssl/dist/train/engine.js';
import { contest } from './contest.mjs';
import { computeDtypes } from './machine.mjs';
import { rowOf } from './row.mjs';

const OUR_DECODING = new URL('./ours/decode.mjs', import.meta.url);
const TORCHVISION = new URL('./peers/decode.py', import.meta.url);
const OUR_LOOP = new URL('./ours/pretrain.mjs', import.meta.url);
const PYTORCH_LOOP = new URL('./peers/pretrain.py', import.meta.url);
const MOST_DECODED = 64;
const CROP_PX = 224;
const DECODE = { name: `decoding photos and two crops to ${CROP_PX} px, one core`, dtype: 'uint8' };
// torchvision's own decoder crops tensors, with the same libraries as we do; most programs still go through PIL.
const DECODERS = [
  { peer: 'PIL and torchvision', backend: 'pil', maxRatio: 1 / 1.8 },
  { peer: 'torchvision on tensors', backend: 'tensor', maxRatio: 1 },
];
const LOOP_BATCH = 64; // the recipe's
const LOOP_NAME = `a step of the whole loop, small/vicreg-rot, ${LOOP_BATCH} photos`;
const MAX_LOOP_RATIOS = { float32: 1 / 1.3, bfloat16: 1 / 1.5 };
// A run of the loop; the first steps, in which loaders fill up, do not count.
const LOOP = { rounds: 2, warmSteps: 20, steps: 100 };
const QUICK_LOOP = { rounds: 1, warmSteps: 10, steps: 40 };

/** The rows of this suite. */
export async function rows(context) {
  const made = [];
  if (context.begins(DECODE.name, DECODE.dtype)) made.push(...(await decode(context)));
  for (const dtype of computeDtypes(context.processor)) {
    if (context.begins(LOOP_NAME, dtype)) made.push(...(await loop(context, dtype)));
  }
  return made;
}

async function decode(context) {
  const sides = {
    ours: context.side('halfway', OUR_DECODING),
    peers: DECODERS.map(({ peer, backend }) => context.side(peer, TORCHVISION, { options: { backend } })),
  };
  const files = context.photos(1).files.slice(0, MOST_DECODED);
  const options = { config: loadRecipe('small/vicreg'), files, sizePx: CROP_PX };
  const { ours, peers } = await contest(sides, options, context.pace);
  const note = `${files.length} photos a turn`;
  return DECODERS.map(({ maxRatio }, i) => rowOf({ ...DECODE, maxRatio, ...(i === 0 && { note }) }, ours, [peers[i]]));
}

async function loop(context, dtype) {
  const { rounds, warmSteps, steps } = context.isQuick ? QUICK_LOOP : LOOP;
  const { folder, files } = context.photos(LOOP_BATCH);
  const { config, decodeProcesses } = engineOfLoop(
    files,
    'small/vicreg-rot',
    ...[`train.computeDtype=${dtype}`, `train.steps=${steps}`, `train.logEvery=${warmSteps}`],
    ...['train.imagesEvery=0', `train.checkpointEvery=${steps}`],
  );
  const cores = availableParallelism();
  const threadCounts = [...new Set([cores, Math.max(1, cores - decodeProcesses)])];
  // With all cores, and with those that decoding leaves over; PyTorch with either and the better number of workers.
  const ours = threadCounts.map((count) =>
    context.side(`halfway, ${count} threads`, OUR_LOOP, {
      options: { config: { ...config, train: { ...config.train, threads: count } } },
    }),
  );
  const peers = threadCounts.flatMap((count) =>
    [...new Set([decodeProcesses, cores])].map((workers) =>
      context.side(`PyTorch, ${count} threads, DataLoader with ${workers} workers`, PYTORCH_LOOP, {
        options: { workers, threads: count },
      }),
    ),
  );
  const options = { config, folder, files, warmSteps };
  const [first, ...others] = ours;
  const measured = await contest({ ours: first, peers: [...others, ...peers] }, options, {
    rounds,
    turnMs: 0,
    warmMs: 0,
  });
  const figures = [measured.ours, ...measured.peers];
  const perSecond = ({ name, ms }) => `${name} ${Math.round((1000 * config.train.batch) / ms)}`;
  const note = `${config.train.threads} threads is what pretrain chooses; photos/s: ${figures.map(perSecond).join(', ')}`;
  const [ofOurs, ofPeers] = [figures.slice(0, ours.length), figures.slice(ours.length)];
  return ofOurs.map((own, i) => {
    const name = `${LOOP_NAME}, ${threadCounts[i]} engine threads`;
    return rowOf({ name, dtype, maxRatio: MAX_LOOP_RATIOS[dtype], ...(i === 0 && { note }) }, own, ofPeers);
  });
}

/** A recipe with as many threads and decode processes as `halfway pretrain` chooses on this machine for photos in these files. */
export function engineOfLoop(files, recipe, ...settings) {
  const chosen = loadRecipe(recipe, settings);
  const decodeProcesses = numDecodeProcesses(chosen.data);
  const bytes = files.reduce((total, file) => total + statSync(file).size, 0);
  const threads = numThreads(chosen, bytes);
  const given = [`train.threads=${threads}`, `data.decodeProcesses=${decodeProcesses}`];
  return { config: loadRecipe(recipe, [...settings, ...given]), decodeProcesses };
}
