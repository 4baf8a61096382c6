// One training step of a small ViT (width 128, depth 4, 32 px, patch 8, batch 64, VICReg, with or without the
// reconstruction of two rotations), by phase, and the same step in PyTorch beside it (bench/step.py) when told where Python is.
//
//   npm run build && node bench/step.mjs [--threads 1] [--dtype float32,bfloat16] [--task none,rotation] [--steps 30] [--peer PYTHON]
//
// Data is random and on the device: the step only. Medians of wall time in ms; `cpu` is processor time a step, which says more on a
// machine that is shared. Runs of both programs alternate.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as torch from '@halfway/torch';
import { AdamW } from '@halfway/torch/optim';
import { configSchema } from '../packages/ssl/dist/config/schema.js';
import { createObjective } from '../packages/ssl/dist/objectives/create.js';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1' },
    dtype: { type: 'string', default: 'float32,bfloat16' },
    task: { type: 'string', default: 'none,rotation' },
    steps: { type: 'string', default: '30' },
    peer: { type: 'string' },
  },
});
const WARM_UP_STEPS = 5;
const numSteps = Number(values.steps);

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const milliseconds = (from, to) => Math.round((to - from) * 100) / 100;

/** Random views and targets in the form that the feed gives them. */
function randomBatch(objective, size) {
  const generator = torch.generator(1);
  const images = (sizePx) => torch.rand([size, 3, sizePx, sizePx], { generator });
  const views = objective.views.map(({ name, sizePx, transformed }) => {
    if (!transformed) return { name, images: images(sizePx) };
    const states = Array.from({ length: transformed.intermediates }, () => images(sizePx));
    const valid = states.map(() => torch.ones([size, 1, sizePx, sizePx]));
    return {
      name,
      images: images(sizePx),
      path: { theta: torch.zeros([size, 1]), start: images(sizePx), states, valid },
    };
  });
  return { indices: new Int32Array(size), views };
}

/** Medians of the phases of a step, in ms. */
function measure(task, computeDtype) {
  const config = configSchema.parse({
    model: { size: 'custom', widthDim: 128, depth: 4, numHeads: 2, patch: 8, imagePx: 32 },
    split: { dim: 256, equivariantDim: 128 },
    vicreg: { expander: [256, 256, 256] },
    decoder: { channels: 64 },
    recon: { target: task, lambda: 25, fill: 'content' },
  });
  return torch.scope(() => {
    const rng = torch.generator(0);
    const objective = createObjective(config, rng);
    const parameters = objective.network.parameters();
    const optimizer = new AdamW([{ name: 'all', parameters, weightDecay: 0.05 }]);
    const batch = randomBatch(objective, config.train.batch);
    const params = { step: 0, lr: 1e-3, weightDecay: 0.05, clipNorm: 3, weights: objective.weightsAt(0, 1) };
    const ctx = { train: true, rng, computeDtype };
    const rows = [];
    for (let step = 0; step < WARM_UP_STEPS + numSteps; step++) {
      const cpu = process.cpuUsage();
      const times = [performance.now()];
      torch.scope(() => {
        const { terms } = objective.forward(batch, params, {}, ctx);
        const loss = Object.entries(terms)
          .map(([name, term]) => term.mul(params.weights[name]))
          .reduce((sum, term) => sum.add(term));
        times.push(performance.now());
        loss.backward();
        times.push(performance.now());
        torch.fused.clipGradNorm(parameters, params.clipNorm);
        optimizer.step({ lr: params.lr });
        optimizer.zeroGrad();
      });
      times.push(performance.now());
      const used = process.cpuUsage(cpu);
      const [start, forward, backward, end] = times;
      const cpuMs = (used.user + used.system) / 1000;
      if (step >= WARM_UP_STEPS) rows.push([forward - start, backward - forward, end - backward, end - start, cpuMs]);
    }
    const [forwardMs, backwardMs, optimizerMs, stepMs, cpuMs] = [0, 1, 2, 3, 4].map((i) =>
      milliseconds(0, median(rows.map((row) => row[i]))),
    );
    return { forwardMs, backwardMs, optimizerMs, stepMs, cpuMs };
  });
}

/** The same from bench/step.py, or undefined without --peer. */
function measurePeer(task, dtype) {
  if (!values.peer) return undefined;
  const script = fileURLToPath(new URL('step.py', import.meta.url));
  const args = [script, '--threads', values.threads, '--dtype', dtype, '--task', task, '--steps', values.steps];
  const { status, stdout, stderr } = spawnSync(values.peer, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`bench/step.py: must exit with 0, got ${status}; ${stderr}`);
  return JSON.parse(stdout);
}

torch.setNumThreads(Number(values.threads));
console.log(
  `libtorch ${torch.libtorchVersion()}, ${torch.cpuCapability()}, ${values.threads} thread(s), ${numSteps} steps`,
);
for (const task of values.task.split(',')) {
  for (const dtype of values.dtype.split(',')) {
    const row = { task, dtype, ...measure(task, dtype) };
    const peer = measurePeer(task, dtype);
    if (peer)
      Object.assign(row, {
        peerStepMs: peer.stepMs,
        peerCpuMs: peer.cpuMs,
        stepRatio: milliseconds(0, row.stepMs / peer.stepMs),
      });
    console.log(JSON.stringify(row));
  }
}
