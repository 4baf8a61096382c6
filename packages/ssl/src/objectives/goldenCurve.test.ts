/**
 * Twenty training steps of each objective with a ViT-tiny against an independent PyTorch script (fixtures/objectives/goldenCurve.py),
 * from the same weights and views. Where this platform has a curve stored it is compared bit for bit too: after a change that is meant to
 * change numbers, HALFWAY_WRITE_CURVES=1 stores this platform's.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as torch from '@halfway/torch';
import { afterAll, describe, expect, it } from 'vitest';
import { configSchema, type Config } from '../config/schema.js';
import { present } from '../models/fixture.case.js';
import { prepareEngine } from '../train/engine.js';
import { stepParams } from '../train/schedule.js';
import { createTrainState } from '../train/state.js';
import { trainStep } from '../train/step.js';
import { drawBatch, drawWeights, moveBatch } from './reference.case.js';

type Curves = Record<string, Record<string, readonly number[]>>;

// The numbers of goldenCurve.py.
const SHAPE = {
  model: { size: 'tiny', patch: 8, imagePx: 16, positionResize: 'size' },
  split: { dim: 64, equivariantDim: 32 },
  vicreg: { expander: [64, 48] },
  simclr: { projector: [64, 48] },
  sie: { target: 'rotation', expander: [128, 96], fill: 'content' },
  decoder: { channels: 16 },
  augment: { local: { count: 2, cropPx: 8 } },
  optim: { lr: 1e-3, warmupFraction: 0.2, weightDecay: 0.05, clipNorm: 3 },
  train: { batch: 8, steps: 20, computeDtype: 'float32', threads: 1 },
};
const SEED = 21;
const HEAD = { hiddenDim: 64, bottleneckDim: 16, prototypes: 96 };
const TEMP = { warmupFraction: 0.5, stairs: 5 };
const rotation = (change: object): object => ({ recon: { target: 'rotation', fill: 'content', ...change } });
const OBJECTIVES: Readonly<Record<string, object>> = {
  vicreg: {},
  'vicreg-rot': rotation({ lambda: 25 }),
  'vicreg-rot-crossattn': rotation({
    ...{ lambda: 25, concat: 'cross_attention', attentionHeads: 2, intermediates: 0, includeFinal: true },
  }),
  'vicreg-rot-augself': rotation({ lambda: 3, of: 'theta', regressor: [32, 32] }),
  simclr: { objective: 'simclr' },
  'sie-rot': { objective: 'sie' },
  dino: { objective: 'dino', dino: { ...HEAD, teacherTemp: TEMP } },
  ibot: { objective: 'ibot', ibot: { ...HEAD, teacherTemp: TEMP, patchTeacherTemp: TEMP } },
  dinov2: { objective: 'dinov2', dinov2: { ...HEAD, teacherTemp: TEMP } },
  'dinov2-sinkhorn': {
    objective: 'dinov2',
    dinov2: {
      ...{ ...HEAD, teacherTemp: TEMP },
      ...{ targets: 'sinkhorn', untiedHead: true, patchPrototypes: 80, patchBottleneckDim: 16 },
    },
  },
};

const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../../../fixtures/objectives/${name}.json`, import.meta.url));
const expected = JSON.parse(readFileSync(fixture('goldenCurve'), 'utf8')) as Curves;
const EXACT = fixture('goldenCurve.exact');
const exact = (existsSync(EXACT) ? JSON.parse(readFileSync(EXACT, 'utf8')) : {}) as Record<string, Curves>;

/** Loss and terms of every step. */
function trainCurve(change: object, device: Config['train']['device'] = 'cpu'): Record<string, number[]> {
  return torch.scope(() => {
    const config = configOf(change, device);
    const state = createTrainState(config, prepareEngine(config, 0).computeDtype);
    const { objective } = state;
    const generator = torch.generator(SEED);
    drawWeights(objective.network, generator);
    objective.teacher?.network.loadStateDict(objective.network.stateDict(), { strict: false });
    const curve: Record<string, number[]> = {};
    for (let step = 0; step < config.train.steps; step++) {
      torch.scope(() => {
        const batch = moveBatch(drawBatch(objective, config.train.batch, generator), device);
        const { scalars, objectiveState } = trainStep(state, batch, stepParams(step, config, objective));
        state.objectiveState = objectiveState;
        for (const tensor of Object.values(objectiveState)) torch.keep(tensor);
        const logged = ['loss', ...Object.keys(objective.weightsAt(step, config.train.steps))];
        for (const name of logged) (curve[name] ??= []).push(present(scalars[name]).item());
      });
    }
    return curve;
  });
}

function configOf(change: object, device: Config['train']['device'] = 'cpu'): Config {
  return configSchema.parse({ ...SHAPE, ...change, train: { ...SHAPE.train, device } });
}

/** What the bits of a curve depend on. */
function platformHere(): string {
  const { libtorch, cpuCapability } = prepareEngine(configOf({}), 0);
  return `libtorch ${libtorch}, ${cpuCapability}, ${processor()}`;
}

/** What kernels are chosen by: family, model, cache and instruction sets of the processor. Its name alone does not tell two apart. */
function processor(): string {
  const [facts = ''] = readFileSync('/proc/cpuinfo', 'utf8').split('\n\n');
  const lines = facts
    .split('\n')
    .filter((line) => /^(vendor_id|cpu family|model|stepping|cache size|flags)\s/.test(line));
  return `processor ${createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 12)}`;
}

/** Every term of every step within the rounding of 20 steps of AdamW, relative to the largest of the term. */
function expectCurve(curve: Readonly<Record<string, readonly number[]>>, name: string, tolerance: number): void {
  expect(Object.keys(curve).sort()).toEqual(Object.keys(present(expected[name])).sort());
  for (const [term, values] of Object.entries(curve)) {
    const wanted = present(expected[name]?.[term]);
    const scale = Math.max(...wanted.map(Math.abs));
    const error = Math.max(...values.map((value, step) => Math.abs(value - present(wanted[step])) / scale));
    expect(error, term).toBeLessThan(tolerance);
  }
}

describe('golden curve', () => {
  const platform = platformHere();
  const isWriting = process.env['HALFWAY_WRITE_CURVES'] === '1';
  const curves: Record<string, Record<string, number[]>> = {};
  const curveOf = (name: string): Record<string, number[]> => (curves[name] ??= trainCurve(present(OBJECTIVES[name])));
  const written: Record<string, Curves> = structuredClone(exact);
  afterAll(() => {
    if (isWriting) writeFileSync(EXACT, `${JSON.stringify(written, null, 1)}\n`);
  });

  describe.each(Object.keys(OBJECTIVES))('of %s', (name) => {
    const TIMEOUT_MS = 300_000; // a second or two where nothing else runs

    it(
      "twenty steps equal PyTorch's",
      () => {
        expectCurve(curveOf(name), name, 1e-4);
        (written[platform] ??= {})[name] = curveOf(name);
      },
      TIMEOUT_MS,
    );

    const stored = exact[platform]?.[name];
    const missing = isWriting ? 'it is being stored' : `none is stored for ${platform}`;
    const isCompared = stored !== undefined && !isWriting;
    it.runIf(isCompared)(
      `twenty steps equal this platform's own, bit for bit${isCompared ? '' : ` (skipped: ${missing})`}`,
      () => expect(curveOf(name)).toEqual(stored),
      TIMEOUT_MS,
    );
  });

  it.runIf(torch.deviceProblem('cuda') === undefined).each(Object.entries(OBJECTIVES))(
    "%s on a GPU: twenty steps equal PyTorch's",
    (name, change) => {
      // Sums in other orders, some by atomics: measured 4e-4 for a covariance, less than 1e-4 for all else.
      expectCurve(trainCurve(change, 'cuda'), name, 1e-3);
    },
  );
});
