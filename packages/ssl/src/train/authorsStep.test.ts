/**
 * The settings with which iBOT and DINOv2 were trained, computed again in plain numbers, step by step: schedules, clip, held last layers, weight
 * decay, layer-wise rates, AdamW, and the teacher's mean. Sources: bytedance/ibot utils.py and main_ibot.py; facebookresearch/dinov2
 * utils/param_groups.py, train/train.py; torch.optim.AdamW.
 */
import * as torch from '@halfway/torch';
import { expect, it } from 'vitest';
import { objectiveBatch } from '../objectives/objective.case.js';
import { present } from '../models/fixture.case.js';
import { tinyConfig } from '../run/scratch.case.js';
import { stepParams } from './schedule.js';
import { createTrainState } from './state.js';
import { backward, update } from './step.js';

const [STEPS, WARMUP, HELD] = [10, 3, 4];
const [PEAK, FINAL] = [0.004, 1e-6];
const [MAX_NORM, DEPTH] = [0.05, 2];

interface Rules {
  readonly settings: readonly string[];
  /** Parameters of one name are clipped by their common norm. */
  readonly clippedWith: (name: string) => string;
  /** Of the rate. */
  readonly multiplier: (name: string) => number;
  readonly decays: (name: string, rank: number) => boolean;
  /** What holds the last layers still: their gradients are dropped, or their rate is 0, with which AdamW's moments move on. */
  readonly heldBy: 'dropping_gradient' | 'zero_lr';
}

const SHARED = [
  ...['model.imagePx=16', `model.depth=${DEPTH}`, 'recon.target=none', `train.steps=${STEPS}`],
  ...['augment.local.count=2', 'augment.local.cropPx=8', `optim.lr=${PEAK}`, `optim.minLr=${FINAL}`],
  ...['optim.warmupFraction=0.3', 'optim.freezeLastLayerFraction=0.4', `optim.clipNorm=${MAX_NORM}`],
  ...['optim.weightDecay=0.04', 'optim.weightDecayEnd=0.4', 'optim.decayTokens=true'],
];
const HEAD = 'hiddenDim: 12, bottleneckDim: 6, prototypes: 9, teacherMomentum: 0.9';
const UNTIED = 'untiedHead: true, patchPrototypes: 7, patchBottleneckDim: 5, masks: { maskedFraction: 0.8 }';
const DINOV2 = [
  ...['objective=dinov2', `dinov2={ ${HEAD}, ${UNTIED} }`, 'model.numRegisters=1', 'model.layerScale=0.1'],
  ...['optim.freezeLastLayerBy=zero_lr', 'optim.layerDecay=0.9', 'optim.patchEmbedLrMult=0.2'],
];

const isToken = (name: string): boolean => /(pos_embed|_tokens?)$/.test(name);

/** 0.9^(blocks above + 1): positions, patches and tokens are below the first block, the last norm above the last. */
function dinov2Multiplier(name: string): number {
  if (!name.startsWith('encoder.')) return 1;
  const block = /blocks\.(\d+)/.exec(name)?.[1];
  const layer = isToken(name) || name.includes('patch_embed') ? 0 : block === undefined ? DEPTH + 1 : Number(block) + 1;
  return 0.9 ** (DEPTH + 1 - layer) * (name.includes('patch_embed') ? 0.2 : 1);
}

const RULES: Readonly<Record<string, Rules>> = {
  iBOT: {
    settings: ['objective=ibot', `ibot={ ${HEAD}, masks: { ratios: [[0.5, 0.3]] } }`, 'optim.clipOver=parameter'],
    clippedWith: (name) => name,
    multiplier: () => 1,
    decays: (name, rank) => rank > 1 && !name.endsWith('.bias'),
    heldBy: 'dropping_gradient',
  },
  DINOv2: {
    settings: [...DINOV2, 'optim.clipOver=module'],
    clippedWith: (name) => name.split('.')[0] ?? '',
    multiplier: dinov2Multiplier,
    decays: (name, rank) => rank > 1 && !name.endsWith('.bias'),
    heldBy: 'zero_lr',
  },
  'iBOT, clipped together, without decay of tokens': {
    settings: [
      ...['objective=ibot', `ibot={ ${HEAD}, masks: { ratios: [[0.5, 0.3]] } }`, 'model.numRegisters=1'],
      ...['optim.clipOver=network', 'optim.decayTokens=false'],
    ],
    clippedWith: () => 'all',
    multiplier: () => 1,
    decays: (name, rank) => rank > 1 && !name.endsWith('.bias') && !isToken(name),
    heldBy: 'dropping_gradient',
  },
};

const cosine = (from: number, to: number, step: number, steps: number): number =>
  to + 0.5 * (from - to) * (1 + Math.cos((Math.PI * step) / steps));

const numbersOf = (tensor: torch.Tensor): number[] => [...(tensor.detach().toTypedArray() as Float32Array)];

it.each(Object.keys(RULES))('%s: parameters and teacher after each step are those of plain arithmetic', (name) => {
  const { settings, clippedWith, multiplier, decays, heldBy } = present(RULES[name]);
  torch.scope(() => {
    const config = tinyConfig(...SHARED, ...settings);
    const state = createTrainState(config, 'float32');
    const { objective } = state;
    const trained = objective.network.namedParameters();
    const taught = present(objective.teacher).network.namedParameters();
    const moments = new Map(trained.map(([key, { numel }]) => [key, { m: zeros(numel), v: zeros(numel), count: 0 }]));
    const seen = { clipped: 0, held: 0 };

    for (let step = 0; step < STEPS; step++) {
      const params = stepParams(step, config, objective);
      const batch = backward(state, objectiveBatch(objective, 4, 11 + step), params);
      const gradients = new Map(trained.map(([key, { grad }]) => [key, grad && numbersOf(grad)]));
      const before = new Map(trained.map(([key, parameter]) => [key, numbersOf(parameter)]));
      const taughtBefore = new Map(taught.map(([key, parameter]) => [key, numbersOf(parameter)]));
      const { objectiveState } = update(state, [batch], params);
      for (const tensor of Object.values(objectiveState)) torch.keep(tensor);
      state.objectiveState = objectiveState;

      const squares = new Map<string, number>();
      for (const [key, gradient = []] of gradients) {
        const group = clippedWith(key);
        squares.set(
          group,
          gradient.reduce((sum, g) => sum + g * g, squares.get(group) ?? 0),
        );
      }
      const rate = step < WARMUP ? (PEAK * step) / (WARMUP - 1) : cosine(PEAK, FINAL, step - WARMUP, STEPS - WARMUP);
      const decay = cosine(0.04, 0.4, step, STEPS);
      const momentum = cosine(0.9, 1, step, STEPS);

      const after = new Map<string, number[]>();
      for (const [key, parameter] of trained) {
        const old = present(before.get(key));
        const gradient = present(gradients.get(key));
        const isHeld = step < HELD && key.includes('last_layer');
        const clip = Math.min(1, MAX_NORM / (Math.sqrt(present(squares.get(clippedWith(key)))) + 1e-6));
        if (clip < 1) seen.clipped++;
        if (isHeld) seen.held++;
        const moment = present(moments.get(key));
        const lr = (isHeld ? 0 : rate) * multiplier(key);
        const isLeftOut = isHeld && heldBy === 'dropping_gradient';
        if (!isLeftOut) moment.count++;
        const wanted = old.map((value, i) => {
          if (isLeftOut) return value;
          const g = present(gradient[i]) * clip;
          const m = (moment.m[i] = 0.9 * present(moment.m[i]) + 0.1 * g);
          const v = (moment.v[i] = 0.999 * present(moment.v[i]) + 0.001 * g * g);
          const decayed = value * (1 - lr * (decays(key, parameter.rank) ? decay : 0));
          const [mHat, vHat] = [m / (1 - 0.9 ** moment.count), v / (1 - 0.999 ** moment.count)];
          return decayed - (lr * mHat) / (Math.sqrt(vHat) + 1e-8);
        });
        const got = numbersOf(parameter);
        after.set(key, got);
        expect([step, key, distance(got, wanted) < 1e-5]).toEqual([step, key, true]);
      }
      for (const [key, parameter] of taught) {
        const student = present(after.get(key));
        const wanted = present(taughtBefore.get(key)).map(
          (t, i) => momentum * t + (1 - momentum) * present(student[i]),
        );
        expect([step, key, distance(numbersOf(parameter), wanted) < 1e-6]).toEqual([step, key, true]);
      }
    }
    expect([seen.clipped > 0, seen.held > 0]).toEqual([true, true]);
  });
});

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}

/** The largest difference, over the largest value. */
function distance(got: readonly number[], wanted: readonly number[]): number {
  const largest = Math.max(1e-3, ...wanted.map(Math.abs));
  return Math.max(...got.map((value, i) => Math.abs(value - (wanted[i] ?? NaN)))) / largest;
}
