// A whole DINOv2 loop on photos, decoding included, against lightly-train's. That package is under the AGPL, so that nothing here depends on
// it: the rows are made when the user has installed it into .peers/lightly, and bench/peers/lightly_loop.py calls it by its public function.
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { say } from '../scripts/start.mjs';
import { contest } from './contest.mjs';
import { engineOfLoop } from './loader.mjs';
import { rowOf } from './row.mjs';

const PYTHON = fileURLToPath(new URL('../.peers/lightly/bin/python', import.meta.url));
const OURS = new URL('./ours/pretrain.mjs', import.meta.url);
const LIGHTLY = new URL('./peers/lightly_loop.py', import.meta.url);
const BATCH = 16;
const NAME = `a step of the whole loop, DINOv2 ViT-S/14, 224 px, ${BATCH} photos`;
const MAX_RATIOS = { float32: 1 / 1.3, bfloat16: 1 / 3 };
// A run of the loop; the first step, before which loaders fill up, does not count. A step takes 8 to 30 s on two cores, so that few are enough.
const LOOP = { rounds: 2, warmSteps: 1, steps: 4 };
const QUICK_LOOP = { rounds: 1, warmSteps: 1, steps: 3 };

/** The rows; none, and what to type, where lightly-train is not installed. */
export async function lightlyLoop(context, dtypes) {
  const wanted = dtypes.filter((dtype) => context.begins(NAME, dtype));
  if (wanted.length > 0 && !existsSync(PYTHON)) {
    say(
      `${NAME}: left out, lightly-train is not installed; type: python3 -m venv .peers/lightly && ` +
        '.peers/lightly/bin/pip install lightly-train==0.18.0 torch==2.15.0 torchvision==0.29.2',
    );
    return [];
  }
  const made = [];
  for (const dtype of wanted) made.push(await loop(context, dtype));
  return made;
}

async function loop(context, dtype) {
  const { rounds, warmSteps, steps } = context.isQuick ? QUICK_LOOP : LOOP;
  const { folder, files } = context.photos(BATCH);
  const { config, decodeProcesses } = engineOfLoop(
    files,
    'paper/dinov2',
    ...['model.size=small', 'model.patch=14', 'model.dropPathRate=0.1', 'augment.local.cropPx=98'],
    'split.location=backbone', // without an adapter, as there
    ...[`train.batch=${BATCH}`, `train.steps=${steps}`, `train.logEvery=${warmSteps}`, `train.computeDtype=${dtype}`],
    ...['train.imagesEvery=0', `train.checkpointEvery=${steps}`],
  );
  const peer = (workers) =>
    context.side(`lightly-train with ${workers} workers`, LIGHTLY, { python: PYTHON, options: { workers } });
  const sides = {
    ours: context.side('halfway', OURS),
    peers: [...new Set([decodeProcesses, availableParallelism()])].map(peer),
  };
  const { ours, peers } = await contest(sides, { config, folder, warmSteps }, { rounds, turnMs: 0, warmMs: 0 });
  const perSecond = ({ name, ms }) => `${name} ${((1000 * BATCH) / ms).toFixed(2)}`;
  const note = `${config.train.threads} engine threads each; photos/s: ${[ours, ...peers].map(perSecond).join(', ')}`;
  return rowOf({ name: NAME, dtype, maxRatio: MAX_RATIOS[dtype], note }, ours, peers);
}
