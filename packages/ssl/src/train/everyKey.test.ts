/**
 * A key that is accepted has to change something. Every key of the schema is here, with a value other than the default and
 * the settings under which it matters: two training steps with it must differ from two without it. Keys of the loop, of
 * reading photos and of evaluation leave the steps as they are; a proxy watches that they are read.
 */
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { leafKeys } from '../config/randomConfig.case.js';
import { requireRead } from '../config/readSettings.js';
import type { Config } from '../config/schema.js';
import { DecodePool } from '../data/decode/decodePool.js';
import { deviceBatch } from '../data/device.js';
import { cropRequest, type HostBatch } from '../data/feed.js';
import { folderOf, picture } from '../data/photos.case.js';
import { planCrops } from '../data/views/plan.js';
import { evaluate } from '../eval/evaluate.js';
import { scratchFolder, tinyConfig } from '../run/scratch.case.js';
import { uniformStream } from '../transforms/philox.js';
import { prepareEngine } from './engine.js';
import { pretrainOn } from './pretrainRun.js';
import { stepParams } from './schedule.js';
import { checkpointTensors, createTrainState } from './state.js';
import { backward, update } from './step.js';

const scratch = scratchFolder();

const SIMCLR = ['objective=simclr', 'simclr.projector=[8, 8]'];
const SIE = ['objective=sie', 'sie.target=rotation', 'sie.expander=[8, 8]', 'recon.target=none'];

const HEAD = (section: string): string =>
  `${section}={ hiddenDim: 6, bottleneckDim: 4, prototypes: 7, teacherTemp: { warmupFraction: 1 } }`;
const GRID = ['model.imagePx=16', 'recon.target=none'];
const DINO = ['objective=dino', HEAD('dino'), ...GRID];
const IBOT = ['objective=ibot', HEAD('ibot'), 'ibot.masks.ratios=[[0.5, 0.3]]', ...GRID];
const DINOV2 = ['objective=dinov2', HEAD('dinov2'), ...GRID];
const LOCALS = [...DINO, 'augment.local.count=1', 'augment.local.cropPx=8'];

/** Key, another value, and the settings that make it matter (default: the tiny recipe with the rotation task). */
const TWO_STEPS: readonly [key: string, value: string, ...settings: string[]][] = [
  ['model.kind', 'resnet18', 'model.imagePx=32'],
  ['model.size', 'tiny'],
  ['model.widthDim', '16'],
  ['model.depth', '2'],
  ['model.numHeads', '1'],
  ['model.ffn', 'swiglu'],
  ['model.mlpRatio', '2'],
  ['model.patch', '8'],
  ['model.imagePx', '16'],
  ['model.numRegisters', '1'],
  ['model.layerScale', '0.1'],
  ['model.dropPathRate', '0.5', 'model.depth=2'],
  ['model.dropPathSchedule', 'uniform', 'model.depth=2', 'model.dropPathRate=0.5'],
  ['model.dropPathForm', 'batch_subset', 'model.depth=2', 'model.dropPathRate=0.5'],
  ['model.init', 'dinov2'],
  ['model.resnet.stem', 'small', 'model.kind=resnet18', 'model.imagePx=32'],
  ['model.resnet.variant', 'sie', 'model.kind=resnet18', 'model.imagePx=32'],
  ['model.resnet.zeroInitResidual', 'false', 'model.kind=resnet18', 'model.imagePx=32'],
  ['split.dim', '10'],
  ['split.location', 'head_output', ...IBOT, 'recon.target=rotation'],
  ['split.equivariantDim', '3'],
  ['split.equiFirst', 'true'],
  ['split.clsEqui', 'broadcast'],
  ['vicreg.invariance', '5'],
  ['vicreg.variance', '5'],
  ['vicreg.covariance', '5'],
  ['vicreg.expander', '[8, 16]'],
  ['vicreg.pool', 'cls'],
  ['vicreg.regularizeEqui', 'true'],
  ['objective', 'simclr', 'simclr.projector=[8, 8]'],
  ['simclr.temperature', '0.5', ...SIMCLR],
  ['simclr.projector', '[8, 16]', ...SIMCLR],
  ['simclr.pool', 'cls', ...SIMCLR],
  ['sie.target', 'blur', ...SIE],
  ['sie.fill', 'content', ...SIE],
  ['sie.invariance', '5', ...SIE],
  ['sie.equivariance', '5', ...SIE],
  ['sie.variance', '5', ...SIE],
  ['sie.covariance', '5', ...SIE],
  ['sie.expander', '[8, 16]', ...SIE],
  ['sie.predictor', 'deep', ...SIE],
  ['sie.regularizePrediction', 'false', ...SIE],
  ['sie.pool', 'cls', ...SIE],
  ...(['dino', 'ibot', 'dinov2'] as const).flatMap((section): [string, string, ...string[]][] => {
    const settings = { dino: DINO, ibot: IBOT, dinov2: DINOV2 }[section];
    return [
      [`${section}.hiddenDim`, '5', ...settings],
      [`${section}.bottleneckDim`, '5', ...settings],
      [`${section}.headInitStd`, '0.1', ...settings],
      [`${section}.prototypes`, '5', ...settings],
      [`${section}.studentTemp`, '0.2', ...settings],
      [`${section}.centerMomentum`, '0.5', ...settings],
      [`${section}.teacherMomentum`, '0.5', ...settings],
      [`${section}.teacherTemp.temps`, '[0.1, 0.2]', ...settings],
      [`${section}.teacherTemp.warmupFraction`, '0', ...settings],
      [`${section}.teacherTemp.stairs`, '2', ...settings],
    ];
  }),
  ['dino.normLastLayer', 'true', ...DINO],
  ['ibot.normLastLayer', 'true', ...IBOT],
  ['ibot.sharedHead', 'false', ...IBOT],
  ['ibot.patchPrototypes', '5', ...IBOT, 'ibot.sharedHead=false'],
  ['ibot.patchTeacherTemp.temps', '[0.1, 0.2]', ...IBOT],
  ['ibot.patchTeacherTemp.warmupFraction', '1', ...IBOT],
  ['ibot.patchTeacherTemp.stairs', '2', ...IBOT, 'ibot.patchTeacherTemp.warmupFraction=1'],
  ['ibot.patchCenterMomentum', '0.5', ...IBOT],
  ['ibot.clsWeight', '2', ...IBOT],
  ['ibot.patchWeight', '2', ...IBOT],
  ['ibot.masks.ratios', '[[0.2, 0]]', ...IBOT],
  ['ibot.masks.shape', 'random', ...IBOT],
  ['dinov2.untiedHead', 'true', ...DINOV2],
  ['dinov2.patchPrototypes', '5', ...DINOV2, 'dinov2.untiedHead=true'],
  ['dinov2.patchBottleneckDim', '3', ...DINOV2, 'dinov2.untiedHead=true'],
  ['dinov2.targets', 'sinkhorn', ...DINOV2],
  ['dinov2.clsWeight', '2', ...DINOV2],
  ['dinov2.patchWeight', '2', ...DINOV2],
  ['dinov2.koleoWeight', '2', ...DINOV2],
  ['dinov2.koleoInput', 'backbone', ...DINOV2],
  ['dinov2.koleoGroup', '2', ...DINOV2],
  ['dinov2.koleoEps', 'as_paper', ...DINOV2],
  ['dinov2.masks.maskedFraction', '1', ...DINOV2],
  ['dinov2.masks.ratios', '[0.5, 0.9]', ...DINOV2],
  ['dinov2.masks.largestBlock', 'half_grid', ...DINOV2, 'model.imagePx=28', 'dinov2.masks.ratios=[0.7, 0.9]'],
  ['model.positionResize', 'size', ...LOCALS],
  ['augment.local.count', '2', ...LOCALS],
  ['augment.local.cropPx', '4', ...LOCALS],
  ['augment.local.cropScale', '[0.1, 0.2]', ...LOCALS],
  ['augment.local.blurProb', '1', ...LOCALS, 'augment.blurSigmaPx=[40, 60]'],
  ['augment.local.solarizeProb', '1', ...LOCALS],
  ['optim.freezeLastLayerFraction', '1', ...DINO],
  ['optim.freezeLastLayerBy', 'zero_lr', ...DINO, 'optim.freezeLastLayerFraction=0.5'],
  ['recon.target', 'blur'],
  ['recon.of', 'theta', 'recon.regressor=[8]'],
  ['recon.regressor', '[8, 8]', 'recon.of=theta', 'recon.regressor=[8]'],
  ['recon.attentionHeads', '2', 'recon.concat=cross_attention', 'recon.attentionHeads=4'],
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
  ['recon.masking', 'unmasked', ...IBOT, 'recon.target=rotation'],
  ['recon.teacherSeesTransformed', 'false', ...DINO, 'recon.target=rotation'],
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
  ['augment.blurKernelPx', '223', 'augment.blurSigmaPx=[40, 60]'],
  ['augment.solarizeProb', '[1, 1]'],
  ['init.file', 'weights.pth'], // the file is read before the steps, and trained at other rates
  ['init.headWarmupFraction', '0.5', 'init.file=weights.pth'],
  ['init.lrMult', '0.5', 'init.file=weights.pth'],
  ['optim.algorithm', 'sgd'],
  ['optim.lr', '0.01'],
  ['optim.lrScaling', 'linear_256'],
  ['optim.minLr', '1e-4'],
  ['optim.weightDecay', '5'],
  ['optim.weightDecayEnd', '5'],
  ['optim.decayTokens', 'true', 'optim.weightDecay=5'],
  ['optim.betas', '[0.5, 0.6]'],
  ['optim.momentum', '0.5', 'optim.algorithm=lars'],
  ['optim.accumulate', '2'],
  ['optim.warmupFraction', '1'],
  ['optim.clipNorm', '0.01'],
  ['optim.clipOver', 'parameter', 'optim.clipNorm=0.01', 'optim.algorithm=sgd'],
  ['optim.layerDecay', '0.5'],
  ['optim.patchEmbedLrMult', '0.2'],
  ['train.batch', '5'],
  ['train.steps', '3'],
  ['train.seed', '1'],
  ['train.computeDtype', 'bfloat16'],
  ['train.threads', '2'],
];

const RESNET = ['model.kind=resnet18', 'model.imagePx=32'];
const HEAD_OUTPUT = [...IBOT, 'recon.target=rotation', 'split.location=head_output'];
const THETA = ['recon.of=theta', 'recon.regressor=[8]'];

/** Key, another value, and settings under which nothing reads it: asking for it is an error, since two steps are the same without. */
const READ_BY_NOTHING: readonly [key: string, value: string, ...settings: string[]][] = [
  ['simclr.temperature', '0.5'],
  ['dinov2.koleoWeight', '2', ...DINO],
  ['ibot.patchPrototypes', '5', ...IBOT],
  ['dinov2.patchPrototypes', '5', ...DINOV2],
  ['dinov2.patchBottleneckDim', '3', ...DINOV2],
  ['dinov2.centerMomentum', '0.5', ...DINOV2, 'dinov2.targets=sinkhorn'],
  ['model.resnet.stem', 'small'],
  ...['size=tiny', 'widthDim=16', 'depth=2', 'numHeads=1', 'ffn=swiglu', 'mlpRatio=2', 'patch=8', 'numRegisters=1']
    .concat('layerScale=0.1', 'dropPathRate=0.5', 'dropPathSchedule=uniform', 'dropPathForm=batch_subset')
    .concat('init=dinov2', 'positionResize=size')
    .map((setting): [string, string, ...string[]] => {
      const [key = '', value = ''] = setting.split('=');
      return [`model.${key}`, value, ...RESNET];
    }),
  ['optim.layerDecay', '0.5', ...RESNET],
  ['optim.patchEmbedLrMult', '0.2', ...RESNET],
  ['train.checkpointActivations', 'true', ...RESNET],
  ['split.dim', '10', 'split.location=backbone'],
  ['split.dim', '10', ...HEAD_OUTPUT],
  ['split.equiFirst', 'true', ...HEAD_OUTPUT],
  ['split.clsEqui', 'broadcast', 'recon.target=none'],
  ['decoder.lrMult', '2', 'recon.target=none'],
  ['recon.lambda', '3', 'recon.target=none'],
  ['decoder.channels', '16', ...THETA],
  ['decoder.lrMult', '2', ...THETA],
  ['recon.intermediates', '1', ...THETA],
  ['recon.includeFinal', 'true', ...THETA],
  ['recon.maskOutside', 'true', ...THETA],
  ['recon.reduction', 'sum_pixels', ...THETA],
  ['recon.space', 'rgb01', ...THETA],
  ['recon.concat', 'token', ...THETA],
  ['recon.regressor', '[8, 8]'],
  ['recon.attentionHeads', '2'],
  ['transform.rotationDeg', '20', 'recon.target=none'],
  ['transform.prob', '0', 'recon.target=none'],
  ['transform.rotationDeg', '20', 'recon.target=translation'],
  ['transform.translatePx', '30'],
  ['transform.translateUnit', 'px', 'recon.target=blur'],
  ['transform.color.hue', '0.3'],
  ['transform.blurSigmaPx', '[1, 4]', 'recon.target=color'],
  ['transform.blurPath', 'from_min'],
  ['transform.se2Path', 'geodesic'],
  ['transform.interpolation', 'bicubic', 'recon.target=color'],
  ['recon.fill', 'content', 'recon.target=blur'],
  ['recon.maskOutside', 'true', 'recon.target=blur'],
  ['sie.fill', 'content', ...SIE, 'sie.target=color'],
  ...['jitterProb=0', 'brightness=0.8', 'contrast=0.8', 'saturation=0.8', 'hue=0.5', 'grayProb=1', 'blurProb=[1, 1]']
    .concat('blurSigmaPx=[40, 60]', 'blurKernelPx=223', 'solarizeProb=[1, 1]')
    .map((setting): [string, string, ...string[]] => {
      const [key = '', value = ''] = setting.split('=');
      return [`augment.${key}`, value, 'augment.preset=rot'];
    }),
  ['augment.cropScale', '[0.5, 1]', 'augment.preset=none'],
  ['augment.cropRatio', '[1, 1]', 'augment.preset=none'],
  ['augment.flipProb', '0', 'augment.preset=none'],
  ['augment.local.blurProb', '1', ...LOCALS, 'augment.preset=rot'],
  ['augment.local.solarizeProb', '1', ...LOCALS, 'augment.preset=rot'],
  ['augment.local.count', '2'],
  ['augment.local.cropPx', '4', ...DINO],
  ['augment.local.cropScale', '[0.1, 0.2]', ...DINO],
  ['init.lrMult', '0.5'],
  ['init.headWarmupFraction', '0.5'],
  ['init.key', 'student'],
  ['optim.betas', '[0.5, 0.6]', 'optim.algorithm=lars'],
  ['optim.momentum', '0.5'],
  ['optim.clipOver', 'parameter'],
  ['optim.freezeLastLayerFraction', '1'],
  ['optim.freezeLastLayerBy', 'zero_lr'],
];

/** Keys that a run reads beside its steps. */
const OF_A_RUN = [
  ...['train.logEvery', 'train.checkpointEvery', 'train.keepCheckpoints', 'train.imagesEvery'],
  ...['train.device', 'train.float32Precision'], // one would need a GPU, the other a CPU with bfloat16
  'train.checkpointActivations', // gradients are the same to the bit
  ...['data.decodeProcesses', 'data.cacheMB', 'data.maxPixels', 'data.maxBadFraction'],
];

const OF_AN_EVALUATION = [
  'eval.r2.anglesPerImage',
  'eval.r2.headWidth',
  'eval.r2.headEpochs',
  'eval.knnK',
  'eval.features',
];

/** What the file is compared with before it is read, and what is read of it (interop/startWeights.test.ts). */
const OF_A_START = ['init.sha256', 'init.key'];

/** Which of two encoders a run writes out, after its steps (run/exportedTensors.ts). */
const OF_AN_EXPORT = ['eval.weights'];

function config(settings: readonly string[]): Config {
  return tinyConfig('train.steps=4', 'optim.warmupFraction=0', ...settings);
}

/** Whether a key may be set under these settings, of which it is one. */
function isAccepted(key: string, settings: readonly string[]): boolean {
  try {
    requireRead(config(settings), [key]);
    return true;
  } catch {
    return false;
  }
}

/** What a run's first two steps are: crops, engine, schedule, terms, and every number after them. */
function twoSteps(settings: readonly string[]): string {
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

describe('every key', { timeout: 240_000 }, () => {
  const known = new Map<string, string>();
  const before = (settings: readonly string[]): string => {
    const name = settings.join(' ');
    const steps = known.get(name) ?? twoSteps(settings);
    known.set(name, steps);
    return steps;
  };

  it('of the schema is in one of these tests', () => {
    const keys = [...TWO_STEPS.map(([key]) => key), ...OF_A_RUN, ...OF_AN_EVALUATION, ...OF_A_START, ...OF_AN_EXPORT];
    expect(keys.sort()).toEqual(leafKeys().sort());
  });

  it('of the network, the views and the schedule changes the first two steps', () => {
    expect(twoSteps([])).toBe(before([])); // else a difference would prove nothing
    const without = TWO_STEPS.filter(
      ([key, value, ...settings]) => twoSteps([...settings, `${key}=${value}`]) === before(settings),
    );
    expect(without.map(([key]) => key)).toEqual([]);
  });

  it('may be asked for where it changes something, and not where nothing reads it', () => {
    const refused = TWO_STEPS.filter(([key, value, ...settings]) => !isAccepted(key, [...settings, `${key}=${value}`]));
    expect(refused.map(([key]) => key)).toEqual([]);
    const asked = READ_BY_NOTHING.filter(([key, value, ...settings]) =>
      isAccepted(key, [...settings, `${key}=${value}`]),
    );
    expect(asked.map(([key]) => key)).toEqual([]);
    const changing = READ_BY_NOTHING.filter(
      ([key, value, ...settings]) => twoSteps([...settings, `${key}=${value}`]) !== before(settings),
    );
    expect(changing.map(([key]) => key)).toEqual([]);
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
    const config = watched(plain, '', read);
    const pool = new DecodePool(config.data);
    await pretrainOn(pool, { config, recipe: 'tiny', data: [photos], out }); // after the check, which reads every key
    await pool.close();
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
