// What the augmentation of a batch costs, against torchvision v2 on the same tensors, in turns in one run.
// Usage: npm run build && HALFWAY_PYTHON=python node bench/transforms.mjs [repetitions]   (a Python with torchvision and safetensors)
// One thread each. Prints milliseconds of one core (processor time, least and median), the ratio of the medians, and the relative
// difference of what came out (sum and sum of squares).
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as torch from '../packages/torch/dist/index.js';
import { saveSafetensors } from '../packages/torch/dist/io/index.js';
import { configSchema } from '../packages/ssl/dist/config/schema.js';
import { createTransformation } from '../packages/ssl/dist/transforms/createTransformation.js';
import { renderPath } from '../packages/ssl/dist/transforms/path.js';
import { uniformStream } from '../packages/ssl/dist/transforms/philox.js';
import { applyPhotometric } from '../packages/ssl/dist/transforms/photometric.js';
import { planPhotometric } from '../packages/ssl/dist/transforms/photometricPlan.js';

const repetitions = Number(process.argv[2] ?? 15);
const WARM_UP_MS = 1000;
const config = configSchema.parse({});
torch.setNumThreads(1);

const tensors = new Map();
const plans = {};
const cases = [];

/** Smooth images f32 [B, 3, C, C] in [0, 1] with some noise, as a photo has. */
function photos(batch, sidePx) {
  return torch.keep(
    torch.scope(() => {
      const generator = torch.generator(batch + sidePx);
      const coarse = torch.rand([batch, 3, 8, 8], { generator }).upsampleBilinear2d([sidePx, sidePx], false);
      return coarse.add(torch.rand([batch, 3, sidePx, sidePx], { generator }).mul(0.1)).clamp(0, 1);
    }),
  );
}

function thetas(transformation, batch) {
  const rows = Array.from({ length: batch }, (_, i) => [...transformation.sample(uniformStream(0, 0, i, 1, 'theta'))]);
  return torch.keep(torch.tensor(rows.flat(), { shape: [batch, transformation.parameters.length] }));
}

for (const [batch, sizePx] of [
  [64, 32],
  [128, 64],
  [32, 224],
]) {
  const rotation = createTransformation('rotation', config.transform, sizePx);
  const canvasPx = rotation.canvasPx(sizePx);
  const name = (what) => `${what} ${batch} x ${sizePx}`;
  for (const [view, sidePx] of [
    [0, sizePx],
    [1, canvasPx],
  ]) {
    const images = `images ${batch} ${sidePx}`;
    tensors.set(images, photos(batch, sidePx));
    const key = name(`v${view + 1}`);
    const plan = () =>
      Array.from({ length: batch }, (_, i) =>
        planPhotometric(uniformStream(0, 0, i, view, 'photo'), config.augment, view, sizePx),
      );
    plans[key] = plan();
    cases.push({
      title: name(`augment view ${view + 1} (side ${sidePx})`),
      kind: 'photometric',
      images,
      plans: key,
      run: () => [applyPhotometric(tensors.get(images), plan())],
    });
  }
  for (const target of ['rotation', 'color', 'blur']) {
    const transformation = createTransformation(target, config.transform, sizePx);
    const images = `images ${batch} ${target === 'rotation' ? canvasPx : sizePx}`;
    const theta = `theta ${target} ${batch}`;
    if (!tensors.has(theta)) tensors.set(theta, thetas(transformation, batch));
    const options = { intermediates: 2, fill: 'content', sizePx };
    cases.push({
      title: target === 'rotation' ? name('rotation path, K = 2, content') : name(target),
      kind: target,
      images,
      theta,
      sizePx,
      radiusPx: 6,
      run: () => {
        if (target !== 'rotation') return [transformation.apply(tensors.get(images), tensors.get(theta), 'zeros')];
        const { states, end } = renderPath(tensors.get(images), tensors.get(theta), transformation, options);
        return [...states, end];
      },
    });
  }
}

const folder = mkdtempSync(join(tmpdir(), 'halfway-bench-'));
saveSafetensors(join(folder, 'images.safetensors'), tensors);
writeFileSync(join(folder, 'plans.json'), JSON.stringify(plans));
const script = fileURLToPath(new URL('transforms.py', import.meta.url));
const peer = spawn(process.env.HALFWAY_PYTHON ?? 'python3', [script, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
const versions = (await lines.next()).value;
if (versions === undefined)
  throw new Error('bench: the peer did not start; set HALFWAY_PYTHON to a Python with torchvision');
console.log(
  `${versions}; libtorch ${torch.libtorchVersion()}, ${torch.cpuCapability()}, 1 thread each, least and median of ${repetitions}`,
);

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

function runOurs({ run }) {
  return torch.scope(() => {
    const start = process.cpuUsage();
    const out = torch.scope(run);
    const { user, system } = process.cpuUsage(start);
    const ms = (user + system) / 1000;
    const total = (of) => out.reduce((sum, x) => sum + of(x.to('float64')).sum().item(), 0);
    return { ms, sum: total((x) => x), squares: total((x) => x.square()) };
  });
}

async function runPeer({ run: _, ...request }) {
  peer.stdin.write(`${JSON.stringify(request)}\n`);
  return JSON.parse((await lines.next()).value);
}

for (const current of cases) {
  const [ours, theirs] = [[], []];
  let difference = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < WARM_UP_MS) runOurs(current); // until V8 has compiled what a training run calls for hours
  for (let i = -2; i < repetitions; i++) {
    const [a, b] = [runOurs(current), await runPeer(current)];
    difference = Math.max(Math.abs(a.sum / b.sum - 1), Math.abs(a.squares / b.squares - 1));
    if (i < 0) continue;
    ours.push(a.ms);
    theirs.push(b.ms);
  }
  const shown = (values) => `${Math.min(...values).toFixed(1)} / ${median(values).toFixed(1)} ms`.padStart(20);
  const ratio = (median(theirs) / median(ours)).toFixed(1);
  console.log(
    `${current.title.padEnd(42)}${shown(ours)}   torchvision${shown(theirs)}   ${ratio} x   difference ${difference.toExponential(0)}`,
  );
}
peer.stdin.end();
rmSync(folder, { recursive: true });
