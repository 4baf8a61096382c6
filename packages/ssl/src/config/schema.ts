/**
 * The one schema of a run: types, defaults, JSON Schema and `--set` keys all come from here.
 *
 * A key that changes nothing fails a test (train/everyKey.test.ts). The text in `.describe` is the documentation of the key;
 * numbers in brackets such as (E.5-23) point at the open points of the paper listed in docs/open-points.md.
 */
import { z } from 'zod';

const positive = z.number().positive();
const count = z.number().int().positive();
const fraction = z.number().min(0).max(1);
const shareBelow1 = z.number().min(0).lt(1);
/** [low, high] */
const rangeOf = (bound: z.ZodNumber) =>
  z
    .tuple([bound, bound])
    .refine(([low, high]) => low <= high, 'the first number must not exceed the second')
    .readonly();

const model = z.strictObject({
  size: z
    .enum(['custom', 'tiny', 'small', 'base', 'large'])
    .default('small')
    .describe(
      'ViT size: tiny 192x12, small 384x12, base 768x12, large 1024x24 (width x depth), or custom with the four keys below',
    ),
  widthDim: count.default(384).describe('token width D; read when size is custom'),
  depth: count.default(12).describe('number of blocks; read when size is custom'),
  numHeads: count.default(6).describe('attention heads; read when size is custom'),
  mlpRatio: z.number().min(0.5).default(4).describe('hidden width of the MLP over D'),
  patch: count.default(16).describe('patch side in pixels'),
  imagePx: count.default(224).describe('side of a training view in pixels'),
  numRegisters: z.number().int().min(0).default(0).describe('register tokens'),
  layerScale: z.number().min(0).default(0).describe('initial LayerScale; 0 means none'),
  dropPathRate: shareBelow1.default(0).describe('stochastic depth, linear over the blocks'),
});

const split = z.strictObject({
  dim: count.default(512).describe('width d of the adapter: Linear(D -> d), exported with the backbone (E.5-1)'),
  equivariantDim: count.default(256).describe('features of d that are equivariant; the invariant part is the rest'),
  equiFirst: z.boolean().default(false).describe('equivariant part first on the feature axis (E.5-2)'),
  clsEqui: z
    .enum(['ignore', 'broadcast'])
    .default('ignore')
    .describe("the class token's equivariant part: unused, or added to every patch's for the decoder (E.5-3)"),
});

const vicreg = z.strictObject({
  invariance: z
    .number()
    .min(0)
    .default(10)
    .describe('weight of the invariance term (E.5-24: SIE 10/10/1, VICReg 25/25/1)'),
  variance: z.number().min(0).default(10).describe('weight of the variance term'),
  covariance: z.number().min(0).default(1).describe('weight of the covariance term'),
  expander: z.array(count).min(1).readonly().default([1024, 1024, 1024]).describe('widths of the expander'),
  pool: z
    .enum(['mean', 'cls'])
    .default('mean')
    .describe('one vector per image: mean of patch tokens, or the class token (E.5-4)'),
  regularizeEqui: z
    .boolean()
    .default(false)
    .describe('variance and covariance terms on the pooled equivariant part too (E.5-24)'),
});

const decoder = z.strictObject({
  kind: z.enum(['token_grid', 'global', 'conv_upsample']).default('token_grid').describe('decoder shape (E.5-21)'),
  channels: count.default(256).describe('C0: channels after the linear layer'),
  activation: z.enum(['relu', 'gelu']).default('relu').describe('after the first three convolutions'),
  lrMult: positive.default(1).describe("decoder's learning rate over the network's (E.5-22)"),
});

const recon = z.strictObject({
  target: z
    .enum(['none', 'rotation', 'translation', 'se2', 'color', 'blur'])
    .default('none')
    .describe('transformation g whose path is reconstructed; none is the plain base'),
  lambda: z.number().min(0).default(1).describe('weight of the reconstruction term (E.5-23)'),
  warmupFraction: fraction.default(0).describe('share of the run over which lambda rises from 0 (E.5-23)'),
  intermediates: count.default(2).describe('K, states on the path'),
  includeFinal: z.boolean().default(false).describe('one more decoder whose target is v2 (E.5-30)'),
  sharedCrop: z.boolean().default(false).describe('u is cut from the crop of v1, and flipped with it (E.5-7)'),
  fill: z
    .enum(['zeros', 'mean', 'reflect', 'content'])
    .default('zeros')
    .describe(
      'what g shows outside the photo; content renders u on a larger canvas so that nothing outside is seen (E.5-12)',
    ),
  maskOutside: z.boolean().default(false).describe('leave pixels from outside the photo out of the loss (E.5-13)'),
  reduction: z
    .enum(['mean', 'sum_pixels'])
    .default('mean')
    .describe('mean over B, C, H, W, or mean over B of the sum over C, H, W (E.5-18)'),
  space: z
    .enum(['normalized', 'rgb01', 'patch_norm'])
    .default('normalized')
    .describe('space of the target pixels (E.5-19)'),
  concat: z
    .enum(['feature', 'token'])
    .default('feature')
    .describe('axis on which the two equivariant parts meet (E.5-20)'),
  source: z
    .enum(['student', 'student_v2_only'])
    .default('student')
    .describe("whose features get the decoder's gradient: both views, or v2's only (E.5-5)"),
});

const transform = z.strictObject({
  rotationDeg: positive.max(180).default(45).describe('rotation angle is uniform in [-x, x]'),
  translatePx: positive.default(10).describe('translation is uniform in [-x, x] on each axis'),
  translateUnit: z
    .enum(['px224', 'px', 'percent'])
    .default('px224')
    .describe('pixels at 224 scaled to the view, plain pixels, or percent of the side (E.5-11)'),
  color: z
    .strictObject({
      brightness: fraction.default(0.4),
      contrast: fraction.default(0.4),
      saturation: fraction.default(0.1),
      hue: z.number().min(0).max(0.5).default(0.1),
    })
    .prefault({})
    .describe('colour path: each delta is uniform in [-x, x] (E.5-14)'),
  blurSigmaPx: rangeOf(z.number().min(0)).default([0.1, 2]).describe('Gaussian sigma range'),
  blurPath: z.enum(['from_zero', 'from_min']).default('from_zero').describe('where the blur path starts (E.5-16)'),
  se2Path: z.enum(['linear', 'geodesic']).default('linear').describe('interpolation of (phi, t) (E.5-17)'),
  prob: fraction.default(1).describe('probability that g is applied, else theta = 0 (E.5-10)'),
  interpolation: z
    .enum(['bilinear', 'bicubic'])
    .default('bilinear')
    .describe('sampling of geometric transformations (E.5-12)'),
  stage: z
    .enum(['after_photometric', 'after_crop'])
    .default('after_photometric')
    .describe('g acts after or before the photometric augmentation of u (E.5-9)'),
});

const augment = z.strictObject({
  preset: z
    .enum(['all', 'rot', 'none'])
    .default('all')
    .describe('all: crop, flip and photometric; rot: crop and flip only; none: centre square (E.5-26)'),
  cropScale: rangeOf(positive.max(1)).default([0.08, 1]).describe('area of a random resized crop over the photo'),
  cropRatio: rangeOf(positive)
    .default([3 / 4, 4 / 3])
    .describe('aspect ratio of the crop'),
  flipProb: fraction.default(0.5),
  jitterProb: fraction.default(0.8),
  brightness: fraction.default(0.4),
  contrast: fraction.default(0.4),
  saturation: fraction.default(0.2),
  hue: z.number().min(0).max(0.5).default(0.1),
  grayProb: fraction.default(0.2),
  blurProb: z
    .tuple([fraction, fraction])
    .readonly()
    .default([1, 0.1])
    .describe('probability of blur on the first and the second view'),
  blurSigmaPx: rangeOf(z.number().min(0))
    .default([0.1, 2])
    .describe('Gaussian sigma, pixels at 224, scaled to the view'),
  solarizeProb: z
    .tuple([fraction, fraction])
    .readonly()
    .default([0, 0.2])
    .describe('probability of solarize on the first and the second view'),
});

const optim = z.strictObject({
  lr: positive.default(5e-4).describe('peak learning rate of AdamW'),
  lrPer256: z.boolean().default(false).describe('lr is per 256 images and is scaled by batch / 256'),
  minLr: z.number().min(0).default(0).describe('learning rate at the end of the cosine'),
  weightDecay: z
    .number()
    .min(0)
    .default(0.05)
    .describe('on weights; biases, norms, class token and position embedding have none'),
  betas: z.tuple([shareBelow1, shareBelow1]).readonly().default([0.9, 0.999]),
  warmupFraction: fraction.default(0.1).describe('share of the run with a linear warm-up (E.5-25)'),
  clipNorm: z.number().min(0).default(0).describe('clip of the global gradient norm; 0 means none'),
});

const train = z.strictObject({
  batch: count.min(2).default(64).describe('images a step'),
  steps: count.default(1000).describe("length of the schedule; the command's --steps sets it"),
  seed: z
    .number()
    .int()
    .min(0)
    .max(0xffffffff)
    .default(0)
    .describe("every random draw of the run follows from it; the command's --seed sets it"),
  logEvery: count.default(20).describe('steps between two rows of metrics.jsonl'),
  checkpointEvery: count.default(500).describe('steps between two checkpoints'),
  keepCheckpoints: count.default(2).describe('newest checkpoints kept; older ones are removed'),
  imagesEvery: z.number().int().min(0).default(500).describe('steps between two pictures; 0 means none'),
  computeDtype: z
    .enum(['auto', 'float32', 'bfloat16'])
    .default('auto')
    .describe('auto: bfloat16 where a probe shows it faster on this CPU'),
  threads: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe('threads of the engine; 0: the cores that decode processes leave over'),
});

const data = z.strictObject({
  decodeProcesses: z.number().int().min(0).default(0).describe('decode processes; 0: chosen by cores'),
  cacheMB: z.number().min(0).default(1024).describe('decoded photos kept in memory, all processes together'),
  maxPixels: count
    .default(100_000_000)
    .describe('a photo with more pixels than this is refused as a decompression bomb'),
  maxBadFraction: fraction.default(0.01).describe('more unreadable files than this share end the run'),
});

const evaluation = z.strictObject({
  r2: z
    .strictObject({
      anglesPerImage: count.default(6).describe('thetas drawn per image (features are cached)'),
      headWidth: count.default(1024).describe('hidden width of the MLP head'),
      headEpochs: count.default(10),
    })
    .prefault({}),
  knnK: count.default(20).describe('neighbours'),
  features: z
    .enum(['cls', 'mean', 'invariant', 'equivariant'])
    .default('mean')
    .describe('default features of halfway eval'),
});

export const configSchema = z.strictObject({
  model: model.prefault({}),
  split: split.prefault({}),
  objective: z.enum(['vicreg']).default('vicreg').describe('the joint-embedding base'),
  vicreg: vicreg.prefault({}),
  recon: recon.prefault({}),
  decoder: decoder.prefault({}),
  transform: transform.prefault({}),
  augment: augment.prefault({}),
  optim: optim.prefault({}),
  train: train.prefault({}),
  data: data.prefault({}),
  eval: evaluation.prefault({}),
});

/** A complete configuration: every default filled in. */
export type Config = z.infer<typeof configSchema>;
