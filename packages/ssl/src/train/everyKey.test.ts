/**
 * A key that is accepted has to change something. Every key of the schema is here, with a value other than the default and
 * the settings under which it matters: two training steps with it must differ from two without it. Keys of the loop, of
 * reading photos and of evaluation leave the steps as they are; a proxy watches that they are read.
 */
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { leafKeys } from '../config/randomConfig.case.js';
import type { Config } from '../config/schema.js';
import { deviceBatch } from '../data/device.js';
import { cropRequest, type HostBatch } from '../data/feed.js';
import { folderOf, picture } from '../data/photos.case.js';
import { planCrops } from '../data/views/plan.js';
import { evaluate } from '../eval/evaluate.js';
import { scratchFolder, tinyConfig } from '../run/scratch.case.js';
import { uniformStream } from '../transforms/philox.js';
import { prepareEngine } from './engine.js';
import { pretrain } from './pretrain.js';
import { stepParams } from './schedule.js';
import { checkpointTensors, createTrainState } from './state.js';
import { trainStep } from './step.js';

const scratch = scratchFolder();

/** Key, another value, and the settings that make it matter (default: the tiny recipe with the rotation task). */
const TWO_STEPS: readonly [key: string, value: string, ...settings: string[]][] = [
  ['model.size', 'tiny'],
  ['model.widthDim', '16'],
  ['model.depth', '2'],
  ['model.numHeads', '1'],
  ['model.mlpRatio', '2'],
  ['model.patch', '8'],
  ['model.imagePx', '16'],
  ['model.numRegisters', '1'],
  ['model.layerScale', '0.1'],
  ['model.dropPathRate', '0.5', 'model.depth=2'],
  ['split.dim', '10'],
  ['split.equivariantDim', '3'],
  ['split.equiFirst', 'true'],
  ['split.clsEqui', 'broadcast'],
  ['vicreg.invariance', '5'],
  ['vicreg.variance', '5'],
  ['vicreg.covariance', '5'],
  ['vicreg.expander', '[8, 16]'],
  ['vicreg.pool', 'cls'],
  ['vicreg.regularizeEqui', 'true'],
  ['recon.target', 'blur'],
  ['recon.lambda', '3'],
  ['recon.warmupFraction', '1'],
  ['recon.intermediates', '1'],
  ['recon.includeFinal', 'true'],
  ['recon.sharedCrop', 'true'],
  ['recon.fill', 'content'],
  ['recon.maskOutside', 'true'],
  ['recon.reduction', 'sum_pixels'],
  ['recon.space', 'rgb01'],
  ['recon.concat', 'token'],
  ['recon.source', 'student_v2_only'],
  ['decoder.kind', 'conv_upsample'],
  ['decoder.channels', '16'],
  ['decoder.activation', 'gelu'],
  ['decoder.lrMult', '2'],
  ['transform.rotationDeg', '20'],
  ['transform.translatePx', '30', 'recon.target=translation'],
  ['transform.translateUnit', 'px', 'recon.target=translation'],
  ['transform.color.brightness', '0.1', 'recon.target=color'],
  ['transform.color.contrast', '0.1', 'recon.target=color'],
  ['transform.color.saturation', '0.3', 'recon.target=color'],
  ['transform.color.hue', '0.3', 'recon.target=color'],
  ['transform.blurSigmaPx', '[1, 4]', 'recon.target=blur'],
  ['transform.blurPath', 'from_min', 'recon.target=blur'],
  ['transform.se2Path', 'geodesic', 'recon.target=se2', 'transform.translatePx=80'],
  ['transform.prob', '0'],
  ['transform.interpolation', 'bicubic'],
  ['transform.stage', 'after_crop'],
  ['augment.preset', 'rot'],
  ['augment.cropScale', '[0.5, 1]'],
  ['augment.cropRatio', '[1, 1]'],
  ['augment.flipProb', '0'],
  ['augment.jitterProb', '0'],
  ['augment.brightness', '0.8'],
  ['augment.contrast', '0.8'],
  ['augment.saturation', '0.8'],
  ['augment.hue', '0.5'],
  ['augment.grayProb', '1'],
  ['augment.blurProb', '[0, 0]', 'augment.blurSigmaPx=[40, 60]'],
  ['augment.blurSigmaPx', '[40, 60]'],
  ['augment.solarizeProb', '[1, 1]'],
  ['optim.lr', '0.01'],
  ['optim.lrPer256', 'true'],
  ['optim.minLr', '1e-4'],
  ['optim.weightDecay', '5'],
  ['optim.betas', '[0.5, 0.6]'],
  ['optim.warmupFraction', '1'],
  ['optim.clipNorm', '0.01'],
  ['train.batch', '5'],
  ['train.steps', '3'],
  ['train.seed', '1'],
  ['train.computeDtype', 'bfloat16'],
  ['train.threads', '2'],
];

/** Keys that a run reads beside its steps. */
const OF_A_RUN = [
  ...['train.logEvery', 'train.checkpointEvery', 'train.keepCheckpoints', 'train.imagesEvery'],
  ...['data.decodeProcesses', 'data.cacheMB', 'data.maxPixels', 'data.maxBadFraction'],
];

const OF_AN_EVALUATION = [
  'eval.r2.anglesPerImage',
  'eval.r2.headWidth',
  'eval.r2.headEpochs',
  'eval.knnK',
  'eval.features',
];

/** One of the objectives exists: it has no other value to try. */
const WITHOUT_ANOTHER_VALUE = ['objective'];

function config(settings: readonly string[]): Config {
  return tinyConfig('train.steps=4', 'optim.warmupFraction=0', ...settings);
}

/** What a run's first two steps are: crops, engine, schedule, terms, and every number after them. */
function twoSteps(settings: readonly string[]): string {
  const wanted = config(settings);
  const engine = prepareEngine(wanted);
  return torch.scope(() => {
    const state = createTrainState(wanted, engine.computeDtype);
    const { views } = state.objective;
    const { seed } = wanted.train;
    const seen = [0, 1].map((step) => {
      const host = hostBatch(step, wanted, state.objective.views);
      const params = stepParams(step, wanted, state.objective);
      const { scalars } = trainStep(state, deviceBatch(host, { views, config: wanted, seed }), params);
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
  const requests = views.map(cropRequest);
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

/** A copy of the tree that notes the path of every value read by name; copying or writing out all of it does not count. */
function watched<T extends object>(tree: T, prefix: string, read: Set<string>): T {
  const listed = new Set<string | symbol>();
  return new Proxy(tree, {
    ownKeys(target) {
      for (const key of Reflect.ownKeys(target)) listed.add(key);
      return Reflect.ownKeys(target);
    },
    get(target, key): unknown {
      const value: unknown = Reflect.get(target, key);
      if (typeof key === 'symbol') return value;
      const path = `${prefix}${key}`;
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return watched(value, `${path}.`, read);
      if (!listed.delete(key)) read.add(path);
      return value;
    },
  });
}

describe('every key', () => {
  it('of the schema is in one of these tests', () => {
    const keys = [...TWO_STEPS.map(([key]) => key), ...OF_A_RUN, ...OF_AN_EVALUATION, ...WITHOUT_ANOTHER_VALUE];
    expect(keys.sort()).toEqual(leafKeys().sort());
  });

  it('of the network, the views and the schedule changes the first two steps', () => {
    const known = new Map<string, string>();
    const before = (settings: readonly string[]): string => {
      const name = settings.join(' ');
      const steps = known.get(name) ?? twoSteps(settings);
      known.set(name, steps);
      return steps;
    };
    expect(twoSteps([])).toBe(before([])); // else a difference would prove nothing
    const without = TWO_STEPS.filter(
      ([key, value, ...settings]) => twoSteps([...settings, `${key}=${value}`]) === before(settings),
    );
    expect(without.map(([key]) => key)).toEqual([]);
  });

  it('of the loop, of reading photos and of evaluation is read by a run of two steps and its evaluation', async () => {
    const read = new Set<string>();
    const photos = await labelledPhotos();
    const evaluation = [
      'eval.knnK=1',
      'eval.r2={ anglesPerImage: 1, headWidth: 3, headEpochs: 1 }',
      'eval.features=cls',
    ];
    const plain = tinyConfig('train.steps=2', 'train.imagesEvery=2', ...evaluation);
    const out = join(scratch, 'run');
    await pretrain({ config: watched(plain, '', read), recipe: 'tiny', data: [photos], out });
    expect(OF_A_RUN.filter((key) => !read.has(key))).toEqual([]);

    const settings = { eval: watched(plain.eval, 'eval.', read), data: plain.data };
    const report = await evaluate({ run: out, tasks: ['r2', 'knn'], train: [photos], settings });
    expect(OF_AN_EVALUATION.filter((key) => !read.has(key))).toEqual(['eval.features']); // it is the run's own:
    expect(report.features).toBe('cls');
  });
});

/** Sixty photos of two classes: as few as an evaluation takes. */
async function labelledPhotos(): Promise<string> {
  const files: Record<string, Buffer> = {};
  for (let i = 0; i < 60; i++) {
    files[`${i % 2 === 0 ? 'even' : 'odd'}/${i}.png`] = await picture(i, 24 + (i % 4) * 8, 40)
      .png()
      .toBuffer();
  }
  return folderOf(files);
}
