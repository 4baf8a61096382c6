/**
 * A run's first two steps as text, for tests of what a key of the configuration changes; and settings that make objectives as small as the
 * tiny recipe. Not a test itself.
 */
import * as torch from '@halfway/torch';
import { requireRead } from '../config/readSettings.js';
import type { Config } from '../config/schema.js';
import { deviceBatch } from '../data/device.js';
import { cropRequest, type HostBatch } from '../data/feed.js';
import { planCrops } from '../data/views/plan.js';
import { tinyConfig } from '../run/scratch.case.js';
import { uniformStream } from '../transforms/philox.js';
import { prepareEngine } from './engine.js';
import { stepParams } from './schedule.js';
import { checkpointTensors, createTrainState } from './state.js';
import { backward, update } from './step.js';

/** Key, another value than the recipe's, and the settings beside it. */
export type KeyCase = readonly [key: string, value: string, ...settings: string[]];

export const SIMCLR = ['objective=simclr', 'simclr.projector=[8, 8]'];
export const SIE = ['objective=sie', 'sie.target=rotation', 'sie.expander=[8, 8]', 'recon.target=none'];

const HEAD = (section: string): string =>
  `${section}={ hiddenDim: 6, bottleneckDim: 4, prototypes: 7, teacherTemp: { warmupFraction: 1 } }`;
const GRID = ['model.imagePx=16', 'recon.target=none'];
export const DINO = ['objective=dino', HEAD('dino'), ...GRID];
export const IBOT = ['objective=ibot', HEAD('ibot'), 'ibot.masks.ratios=[[0.5, 0.3]]', ...GRID];
export const DINOV2 = ['objective=dinov2', HEAD('dinov2'), ...GRID];
export const LOCALS = [...DINO, 'augment.local.count=1', 'augment.local.cropPx=8'];

const known = new Map<string, string>();

/** What a run's first two steps are: crops, engine, schedule, terms, and every number after them. The same settings are run once. */
export function twoSteps(settings: readonly string[]): string {
  const name = settings.join(' ');
  const steps = known.get(name) ?? runTwoSteps(settings);
  known.set(name, steps);
  return steps;
}

function config(settings: readonly string[]): Config {
  return tinyConfig('train.steps=4', 'optim.warmupFraction=0', ...settings);
}

/** Whether the key may be asked for beside the settings. */
export function isAccepted([key, value, ...settings]: KeyCase): boolean {
  const wanted = config([...settings, `${key}=${value}`]);
  try {
    requireRead(wanted, [key]);
    return true;
  } catch {
    return false;
  }
}

/** The same, run anew. */
export function runTwoSteps(settings: readonly string[]): string {
  const wanted = config(settings);
  const engine = prepareEngine(wanted, 0);
  return torch.scope(() => {
    const state = createTrainState(wanted, engine.computeDtype);
    const { views, planMasks } = state.objective;
    const { seed } = wanted.train;
    const seen = [0, 1].map((step) => {
      const params = stepParams(step, wanted, state.objective);
      const batches = Array.from({ length: params.numBatches }, (_, i) => {
        const host = hostBatch(step * params.numBatches + i, wanted, state.objective.views);
        return backward(state, deviceBatch(host, { views, planMasks, config: wanted, seed }), params);
      });
      const { scalars, objectiveState } = update(state, batches, params);
      state.objectiveState = objectiveState;
      return [params.lr, ...Object.values(scalars).map((scalar) => scalar.item())];
    });
    const { model, optimizer } = checkpointTensors(state);
    const sums = [...model, ...optimizer].map(([name, tensor]) => [name, tensor.sum().item()]);
    return JSON.stringify([engine, seen, sums]);
  });
}

/** Pixels as if cut from photos of noise: they depend on where the views are cut. */
function hostBatch(
  step: number,
  { augment, train }: Config,
  views: Parameters<typeof deviceBatch>[1]['views'],
): HostBatch {
  const requests = views.map((view) => cropRequest(view, augment));
  const drawn = Array.from({ length: train.batch }, (_, slot) => ({ epoch: 0, index: step * train.batch + slot }));
  const boxes = drawn.map(({ epoch, index }) =>
    planCrops({ widthPx: 90, heightPx: 70 }, requests, augment, (view) =>
      uniformStream(train.seed, epoch, index, view, 'crop'),
    ),
  );
  const pixelsOf = (view: number, canvasPx: number): Uint8Array => {
    const imageBytes = 3 * canvasPx * canvasPx;
    const pixels = new Uint8Array(train.batch * imageBytes);
    boxes.forEach((box, image) => {
      const { x = 0, y = 0, width = 0, height = 0 } = box[view] ?? {};
      const wave = (i: number): number =>
        Math.sin(i * (0.01 + width / 900) + x) + Math.cos(i * (0.003 + height / 700) + y);
      for (let i = 0; i < imageBytes; i++) pixels[image * imageBytes + i] = 128 + 60 * wave(i);
    });
    return pixels;
  };
  return {
    step,
    views: requests.map(({ canvasPx }, view) => pixelsOf(view, canvasPx)),
    canvasPx: requests.map(({ canvasPx }) => canvasPx),
    indices: Int32Array.from(drawn, ({ index }) => index),
    drawn,
    waitMs: 0,
    release: () => undefined,
  };
}
