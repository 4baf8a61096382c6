/**
 * The one schema of a run: types, defaults, JSON Schema and `--set` keys all come from here.
 *
 * A key that changes nothing fails a test (train/everyKey.test.ts). The text in `.describe` is the documentation of the key;
 * numbers in brackets such as (E.5-23) point at the open points of the paper listed in docs/open-points.md.
 */
import { z } from 'zod';
import { FEATURE_KINDS } from '../protocol/report.js';
import { dino, dinov2, ibot, sie, simclr, vicreg } from './objectiveSections.js';
import { count, fraction, positive, rangeOf, shareBelow1 } from './ranges.js';

const model = z.strictObject({
  kind: z
    .enum(['vit', 'resnet18'])
    .default('vit')
    .describe('encoder: a vision transformer, or ResNet-18, which reads imagePx and resnet of this section'),
  size: z
    .enum(['custom', 'tiny', 'small', 'base', 'large'])
    .default('small')
    .describe(
      'ViT size: tiny 192x12, small 384x12, base 768x12, large 1024x24 (width x depth), or custom with the four keys below',
    ),
  widthDim: count.default(384).describe('token width D; read when size is custom'),
  depth: count.default(12).describe('number of blocks; read when size is custom'),
  numHeads: count.default(6).describe('attention heads; read when size is custom'),
  ffn: z
    .enum(['mlp', 'swiglu', 'swiglufused'])
    .default('mlp')
    .describe(
      'feed-forward part of a block: MLP; gated; gated with two thirds of the hidden width (DINOv2 ViT-L and g)',
    ),
  mlpRatio: z.number().min(0.5).default(4).describe('hidden width of the MLP over D'),
  patch: count.default(16).describe('patch side in pixels'),
  imagePx: count.default(224).describe('side of a training view in pixels'),
  numRegisters: z.number().int().min(0).default(0).describe('register tokens'),
  layerScale: z.number().min(0).default(0).describe('initial LayerScale; 0 means none'),
  dropPathRate: shareBelow1.default(0).describe('stochastic depth: share of images for which a branch is left out'),
  dropPathSchedule: z
    .enum(['linear', 'uniform'])
    .default('linear')
    .describe('that rate at the last block, rising from 0 at the first (iBOT), or at all blocks (DINOv2)'),
  dropPathForm: z
    .enum(['image', 'batch_subset'])
    .default('image')
    .describe('a draw for each image, or a subset of the batch for which alone the branch is computed (DINOv2)'),
  init: z.enum(['ibot', 'dinov2']).default('ibot').describe('class token: std 0.02 (iBOT) or 1e-6 (DINOv2)'),
  positionResize: z
    .enum(['size', 'offset'])
    .default('offset')
    .describe(
      'positions for views of another size: to that grid, antialiased (DINOv2 with registers), or by a scale with 0.1 added (DINO, iBOT, DINOv2)',
    ),
  resnet: z
    .strictObject({
      stem: z
        .enum(['imagenet', 'small'])
        .default('imagenet')
        .describe('total stride 32, or 8 with a 3 x 3 convolution and no pooling first (SimCLR on CIFAR-10)'),
      variant: z
        .enum(['torchvision', 'sie'])
        .default('torchvision')
        .describe(
          "SIE's has the stride in a block's second convolution, pads at the end only and projects the first shortcut",
        ),
      zeroInitResidual: z.boolean().default(true).describe('residual branches begin at zero'),
    })
    .prefault({})
    .describe('ResNet-18'),
});

const split = z.strictObject({
  dim: count
    .default(512)
    .describe(
      'width d of the adapter, Linear(D -> d), exported with the backbone; read when location is adapter (E.5-1)',
    ),
  location: z
    .enum(['adapter', 'backbone', 'head_output'])
    .default('adapter')
    .describe(
      "the equivariant part is a part of the adapter's features; without an adapter, of the encoder's own; or (dino, ibot, dinov2, also " +
        'without one) outputs of the head beside its prototypes: with 2048 of them and 6144 prototypes, the literal 8192 of iBOT (E.5-1)',
    ),
  equivariantDim: z
    .number()
    .int()
    .min(0)
    .default(256)
    .describe(
      'features that are equivariant; the invariant part is the rest of d, or with head_output all of d. 0 is for a base without task: ' +
        'its loss reads all',
    ),
  equiFirst: z
    .boolean()
    .default(false)
    .describe('equivariant part first on the feature axis; read when location is not head_output (E.5-2)'),
  clsEqui: z
    .enum(['ignore', 'broadcast'])
    .default('ignore')
    .describe("the class token's equivariant part: unused, or added to every patch's for the decoder (E.5-3)"),
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
  intermediates: z.number().int().min(0).default(2).describe('K, states on the path; 0 needs includeFinal'),
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
  of: z
    .enum(['images', 'theta'])
    .default('images')
    .describe('what is read from the equivariant parts: images of the path, or theta itself (AugSelf, a simple rival)'),
  concat: z
    .enum(['feature', 'token', 'cross_attention'])
    .default('feature')
    .describe(
      "how the two equivariant parts meet: on an axis (E.5-20), or by v1's tokens looking at v2's (the 2024 predecessor)",
    ),
  attentionHeads: count.default(8).describe('heads of cross_attention'),
  regressor: z
    .array(count)
    .readonly()
    .default([512, 512])
    .describe('hidden widths of the network that reads theta (AugSelf)'),
  source: z
    .enum(['student', 'student_v2_only', 'teacher_v1'])
    .default('student')
    .describe(
      "whose features the task reads: the student's of both views; the same with a gradient to v2's only; or the teacher's of v1 (E.5-5)",
    ),
  masking: z
    .enum(['masked', 'unmasked', 'disable_for_v2'])
    .default('masked')
    .describe(
      'where the objective hides patches, the task reads features of views with hidden patches; of whole ones, by another pass of the ' +
        'encoder; or nothing of v2 is hidden at all (E.5-6)',
    ),
  teacherSeesTransformed: z
    .boolean()
    .default(true)
    .describe('a teacher sees v2 = g(u) as its student does, else u (E.5-8)'),
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
    .describe(
      'Gaussian sigma, pixels at 224, scaled to model.imagePx; as large in a local crop, as in DINO, iBOT and DINOv2',
    ),
  blurKernelPx: z
    .number()
    .int()
    .min(0)
    .refine((size) => size === 0 || size % 2 === 1, 'must be odd, or 0')
    .default(0)
    .describe('side of its kernel in the same pixels: 9 in DINOv2; 0: three times the largest sigma to either side'),
  solarizeProb: z
    .tuple([fraction, fraction])
    .readonly()
    .default([0, 0.2])
    .describe('probability of solarize on the first and the second view'),
  local: z
    .strictObject({
      count: z.number().int().min(0).default(0).describe('local crops a photo, for objectives that take them'),
      cropPx: count.default(96).describe('side of a local crop in pixels'),
      cropScale: rangeOf(positive.max(1)).default([0.05, 0.4]).describe('area of a local crop over the photo'),
      blurProb: fraction.default(0.5),
      solarizeProb: fraction.default(0),
    })
    .prefault({})
    .describe('small crops that show small parts of the photo'),
});

const init = z.strictObject({
  file: z
    .string()
    .regex(/./, 'must be the path of a file of weights')
    .optional()
    .describe(
      "weights that the encoder starts from: .pth, safetensors, a run folder or an export; the command's --init sets it",
    ),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be 64 digits of 0-9 and a-f')
    .optional()
    .describe('of that file: a run writes it into its config.yaml; where it is given, the file has to have it'),
  key: z
    .string()
    .optional()
    .describe(
      "which of that file's networks: what stands before its names or the beginning of it, such as student; left out, the teacher where there are several",
    ),
  headWarmupFraction: shareBelow1
    .default(0.1)
    .describe('from weights: share of the run over which the encoder is held still while new heads and decoders learn'),
  lrMult: positive.max(1).default(0.1).describe("from weights: the encoder's learning rate over that of what is new"),
});

const optim = z.strictObject({
  algorithm: z.enum(['adamw', 'adam', 'lars', 'sgd']).default('adamw'),
  lr: positive.default(5e-4).describe('peak learning rate'),
  lrScaling: z
    .enum(['none', 'linear_256', 'sqrt_1024'])
    .default('none')
    .describe(
      'lr times n / 256 (DINO, iBOT, VICReg) or times sqrt(n / 1024) (DINOv2), where n are the images of a step; or as it is',
    ),
  minLr: z.number().min(0).default(0).describe('learning rate at the end of the cosine'),
  weightDecay: z
    .number()
    .min(0)
    .default(0.05)
    .describe('on weights; biases and norms have none, tokens and positions only with decayTokens'),
  weightDecayEnd: z
    .number()
    .min(0)
    .optional()
    .describe('weight decay at the end of its cosine; left out, it stays as it is'),
  decayTokens: z
    .boolean()
    .default(false)
    .describe('weight decay on class token, registers, mask token and positions too, as in DINO, iBOT and DINOv2'),
  betas: z.tuple([shareBelow1, shareBelow1]).readonly().default([0.9, 0.999]).describe('of adamw and adam'),
  momentum: shareBelow1.default(0.9).describe('of lars and sgd'),
  accumulate: count
    .default(1)
    .describe(
      'batches a step: the weights move by the mean gradient of so many consecutive batches; steps and schedules count these moves',
    ),
  warmupFraction: fraction.default(0.1).describe('share of the run with a linear warm-up (E.5-25)'),
  clipNorm: z.number().min(0).default(0).describe('largest norm of the gradient; 0 means no clip'),
  clipOver: z
    .enum(['network', 'module', 'parameter'])
    .default('network')
    .describe(
      'what that norm is over: all parameters, those of encoder, adapter and each head (DINOv2), or each (DINO, iBOT)',
    ),
  layerDecay: positive
    .max(1)
    .default(1)
    .describe('learning rate of a layer over that of the next; 1 at the heads (DINOv2)'),
  patchEmbedLrMult: positive.default(1).describe('learning rate of the patch embedding over its layer (DINOv2)'),
  freezeLastLayerFraction: fraction
    .default(0)
    .describe("share of the run over which the heads' last layers are held still"),
  freezeLastLayerBy: z
    .enum(['dropping_gradient', 'zero_lr'])
    .default('dropping_gradient')
    .describe("whether Adam's moments of a held layer stand still too (DINO, iBOT) or move (DINOv2)"),
});

const train = z.strictObject({
  batch: count.min(2).default(64).describe('images of a batch; a step has one, or optim.accumulate of them'),
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
  device: z
    .enum(['cpu', 'cuda'])
    .default('cpu')
    .describe("where the network is trained; an error where there is no GPU; the command's --device sets it"),
  computeDtype: z
    .enum(['auto', 'float32', 'bfloat16'])
    .default('auto')
    .describe('auto: bfloat16 where a probe shows it faster on this device'),
  float32Precision: z
    .enum(['highest', 'high', 'medium'])
    .default('highest')
    .describe('what products of float32 may use inside: float32 itself, TF32 (also for convolutions), bfloat16'),
  checkpointActivations: z
    .boolean()
    .default(false)
    .describe(
      'compute the blocks of the encoder again on the way back instead of keeping what is inside: less memory, more time',
    ),
  threads: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe(
      'threads of the engine; 0: all cores where decoded photos fit into data.cacheMB, else those that decode processes leave over; 1 loses least where other programs run',
    ),
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
  features: z.enum(FEATURE_KINDS).default('mean').describe('default features of halfway eval'),
  weights: z
    .enum(['teacher', 'student'])
    .default('teacher')
    .describe('which encoder is exported and evaluated where an objective has two (E.5-32)'),
});

export const configSchema = z.strictObject({
  model: model.prefault({}),
  split: split.prefault({}),
  objective: z
    .enum(['vicreg', 'simclr', 'dino', 'ibot', 'dinov2', 'sie'])
    .default('vicreg')
    .describe('the joint-embedding base'),
  vicreg: vicreg.prefault({}),
  simclr: simclr.prefault({}),
  dino: dino.prefault({}),
  ibot: ibot.prefault({}),
  dinov2: dinov2.prefault({}),
  sie: sie.prefault({}),
  recon: recon.prefault({}),
  decoder: decoder.prefault({}),
  transform: transform.prefault({}),
  augment: augment.prefault({}),
  init: init.prefault({}),
  optim: optim.prefault({}),
  train: train.prefault({}),
  data: data.prefault({}),
  eval: evaluation.prefault({}),
});

/** A complete configuration: every default filled in. */
export type Config = z.infer<typeof configSchema>;
