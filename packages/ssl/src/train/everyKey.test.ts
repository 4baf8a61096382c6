/**
 * A key that is accepted has to change something. Every key of the schema is here, with a value other than the default and
 * the settings under which it matters: two training steps with it must differ from two without it. Keys of the loop, of
 * reading photos and of evaluation leave the steps as they are; a proxy watches that they are read.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { leafKeys } from '../config/randomConfig.case.js';
import { DecodePool } from '../data/decode/decodePool.js';
import { folderOf, picture } from '../data/photos.case.js';
import { evaluate } from '../eval/evaluate.js';
import { scratchFolder, tinyConfig } from '../run/scratch.case.js';
import { pretrainOn } from './pretrainRun.js';
import {
  DINO,
  DINOV2,
  IBOT,
  isAccepted,
  type KeyCase,
  LOCALS,
  runTwoSteps,
  SIE,
  SIMCLR,
  twoSteps,
} from './twoSteps.case.js';

const scratch = scratchFolder();

/** Key, another value, and the settings that make it matter (default: the tiny recipe with the rotation task). */
const TWO_STEPS: readonly KeyCase[] = [
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
  ...(['dino', 'ibot', 'dinov2'] as const).flatMap((section): KeyCase[] => {
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
  it('of the schema is in one of these tests', () => {
    const keys = [...TWO_STEPS.map(([key]) => key), ...OF_A_RUN, ...OF_AN_EVALUATION, ...OF_A_START, ...OF_AN_EXPORT];
    expect(keys.sort()).toEqual(leafKeys().sort());
  });

  it('of the network, the views and the schedule changes the first two steps', () => {
    expect(runTwoSteps([])).toBe(twoSteps([])); // else a difference would prove nothing
    const without = TWO_STEPS.filter(
      ([key, value, ...settings]) => twoSteps([...settings, `${key}=${value}`]) === twoSteps(settings),
    );
    expect(without.map(([key]) => key)).toEqual([]);
  });

  it('may be asked for where it changes something', () => {
    expect(TWO_STEPS.filter((each) => !isAccepted(each)).map(([key]) => key)).toEqual([]);
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
