/** The sections of the schema that belong to one objective each. Their texts are the documentation of the keys, as in schema.ts. */
import { z } from 'zod';
import { count, fraction, positive, rangeOf, shareBelow1 } from './ranges.js';

const pool = z
  .enum(['mean', 'cls'])
  .default('mean')
  .describe('one vector per image: mean of patch tokens, or the class token (E.5-4)');

export const vicreg = z.strictObject({
  invariance: z
    .number()
    .min(0)
    .default(10)
    .describe('weight of the invariance term (E.5-24: SIE 10/10/1, VICReg 25/25/1)'),
  variance: z.number().min(0).default(10).describe('weight of the variance term'),
  covariance: z.number().min(0).default(1).describe('weight of the covariance term'),
  expander: z.array(count).min(1).readonly().default([1024, 1024, 1024]).describe('widths of the expander'),
  pool,
  regularizeEqui: z
    .boolean()
    .default(false)
    .describe('variance and covariance terms on the pooled equivariant part too (E.5-24)'),
});

export const simclr = z.strictObject({
  temperature: positive.default(0.1).describe('T of NT-Xent (E.5-33; 0.5 for CIFAR in SimCLR)'),
  projector: z.array(count).min(1).readonly().default([2048, 2048, 2048]).describe('widths of the projector (E.5-33)'),
  pool,
});

export const sie = z.strictObject({
  target: z
    .enum(['rotation', 'translation', 'se2', 'color', 'blur', 'all'])
    .default('all')
    .describe('g whose theta the predictor is told; all: colour, blur and rigid motion one after the other'),
  fill: z.enum(['zeros', 'mean', 'reflect', 'content']).default('zeros').describe('as recon.fill'),
  invariance: z.number().min(0).default(10).describe('weight of the invariance term'),
  equivariance: z.number().min(0).default(4.5).describe("weight of the prediction's error (SIE's 0.45 times 10)"),
  variance: z.number().min(0).default(10).describe('weight of the variance terms'),
  covariance: z.number().min(0).default(1).describe('weight of the covariance term'),
  expander: z
    .array(count)
    .min(1)
    .readonly()
    .default([2048, 2048, 2048])
    .describe('widths of both expanders together, shared out as the split is'),
  predictor: z
    .enum(['linear', 'deep'])
    .default('linear')
    .describe('hypernetwork: one linear map of theta, or two layers before it'),
  regularizePrediction: z
    .boolean()
    .default(true)
    .describe('variance term of the prediction; false is the SIENoVar of the reference'),
  pool,
});

/** What DINO, iBOT and DINOv2 share; the defaults of each are those of its authors' ViT runs. */
const distillation = {
  hiddenDim: count.default(2048).describe('width of the hidden layers of the head'),
  bottleneckDim: count.default(256).describe('width of the vector of length 1 that prototypes are compared with'),
  headInitStd: positive
    .max(1)
    .default(0.02)
    .describe(
      "std of the weights that the head's layers begin with; layers narrower than 2048 shrink what they are given at 0.02",
    ),
  studentTemp: positive.default(0.1).describe("temperature of the student's probabilities"),
  centerMomentum: shareBelow1
    .default(0.9)
    .describe("how much of the centre of the teacher's scores stays at each step"),
};
const teacherMomentum = shareBelow1.describe(
  "how much of the teacher's weights stays at the first step; it rises to 1 on a cosine",
);
const teacherTemp = (warmupFraction: number, stairs: number) =>
  z
    .strictObject({
      temps: z
        .tuple([positive, positive])
        .readonly()
        .default([0.04, 0.07])
        .describe('at the first step and in the end'),
      warmupFraction: fraction.default(warmupFraction).describe('share of the run over which it rises'),
      stairs: z
        .number()
        .int()
        .min(0)
        .default(stairs)
        .describe('values it takes while it rises, one an epoch in DINO and iBOT; 0: another at every step (DINOv2)'),
    })
    .prefault({});
const prototypes = (number: number) => count.default(number).describe('prototypes K');
const patchPrototypes = (number: number) =>
  count.default(number).describe('prototypes for patches; read when they have their own');
const normLastLayer = (value: boolean) =>
  z.boolean().default(value).describe('prototypes keep length 1; else a gain of each is trained');
const termWeight = (of: string, value: number) => z.number().min(0).default(value).describe(`weight of the ${of} term`);

export const dino = z.strictObject({
  ...distillation,
  prototypes: prototypes(65536),
  normLastLayer: normLastLayer(false),
  teacherMomentum: teacherMomentum.default(0.996),
  teacherTemp: teacherTemp(0.1, 30).describe("the teacher's temperature: 30 of 300 epochs"),
});

export const ibot = z.strictObject({
  ...distillation,
  prototypes: prototypes(8192),
  sharedHead: z.boolean().default(true).describe('class token and patches have the same prototypes'),
  patchPrototypes: patchPrototypes(8192),
  normLastLayer: normLastLayer(false),
  teacherMomentum: teacherMomentum.default(0.996),
  teacherTemp: teacherTemp(0.0375, 30).describe("the teacher's temperature for class tokens: 30 of 800 epochs"),
  patchTeacherTemp: teacherTemp(0.0375, 30).describe("the teacher's temperature for patches"),
  patchCenterMomentum: shareBelow1.default(0.9).describe('centerMomentum of patches'),
  clsWeight: termWeight('class-token', 1),
  patchWeight: termWeight('patch', 1),
  masks: z
    .strictObject({
      ratios: z
        .array(z.tuple([fraction, fraction]).readonly())
        .min(1)
        .readonly()
        .default([
          [0, 0],
          [0.3, 0.2],
        ])
        .refine(
          (ratios) => ratios.every(([mean, spread]) => spread <= mean && mean + spread < 1),
          'needs spread <= mean < 1 - spread',
        )
        .describe('share of patches that the student does not see: [mean, spread], one of them chosen for each image'),
      shape: z.enum(['block', 'random']).default('block').describe('hidden patches lie in blocks, or anywhere'),
    })
    .prefault({}),
});

export const dinov2 = z.strictObject({
  ...distillation,
  prototypes: prototypes(65536),
  untiedHead: z.boolean().default(false).describe('patches have a head of their own'),
  patchPrototypes: patchPrototypes(65536),
  patchBottleneckDim: count.default(256).describe('bottleneckDim of the head for patches; read when it is untied'),
  teacherMomentum: teacherMomentum.default(0.992),
  teacherTemp: teacherTemp(0.3, 0).describe("the teacher's temperature: 30 of 100 epochs"),
  targets: z
    .enum(['centering', 'sinkhorn'])
    .default('centering')
    .describe("the teacher's probabilities: less the mean of the past, or spread over all prototypes (E.5-27)"),
  clsWeight: termWeight('class-token', 1),
  patchWeight: termWeight('patch', 1),
  koleoWeight: termWeight('KoLeo', 0.1),
  koleoInput: z
    .enum(['invariant', 'backbone'])
    .default('invariant')
    .describe("class token that KoLeo spreads: the adapter's invariant part, or the encoder's (E.5-29)"),
  koleoGroup: z
    .number()
    .int()
    .min(0)
    .refine((images) => images !== 1, 'must be 0, or 2 and more')
    .default(0)
    .describe(
      'photos among which KoLeo looks for neighbours: consecutive groups of a batch, as of one GPU (DINOv2); 0: all',
    ),
  koleoEps: z
    .enum(['as_code', 'as_paper'])
    .default('as_code')
    .describe('1e-8 is added to each element of the difference of neighbours too, or not'),
  masks: z
    .strictObject({
      maskedFraction: fraction.default(0.5).describe('share of global views with hidden patches'),
      ratios: rangeOf(shareBelow1).default([0.1, 0.5]).describe('share of hidden patches in those'),
      largestBlock: z
        .enum(['as_code', 'half_grid'])
        .default('as_code')
        .describe('half of the grid by the order of operations of the code, or half of the grid; equal at 224 px'),
    })
    .prefault({}),
});
