/**
 * What DINO, iBOT and DINOv2 have in common: a student, the teacher that follows it, the views they see. Each brings its terms.
 *
 * B images, V views, N patches, G patches along a side, D features of the invariant part, K prototypes.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { Module } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';
import { patchPx } from '../config/patchPx.js';
import type { Config } from '../config/schema.js';
import { expectSplit } from '../config/shapeRules.js';
import { splitDims } from '../config/splitDims.js';
import type { View, ViewRequest } from '../data/batch.js';
import { ConfigError } from '../errors.js';
import { Adapter } from '../models/adapter.js';
import type { AdaptedTokens } from '../models/adapter.js';
import { createEncoder } from '../models/createEncoder.js';
import { DinoHead } from '../models/dinoHead.js';
import type { DinoHeadConfig } from '../models/dinoHead.js';
import { encodeViews } from '../models/encodeViews.js';
import type { EncodedView } from '../models/encodeViews.js';
import type { Encoder } from '../models/encoder.js';
import { normalize } from '../transforms/pixels.js';
import { dinoLoss } from './dinoLoss.js';
import { teacherMomentumAt } from './dinoSchedules.js';
import { seenImages } from './maskPixels.js';
import type { Advice, Inspection, Objective } from './objective.js';
import { splitTokens } from './split.js';
import type { SplitTokens } from './split.js';

/** Global views of a photo: the two that the teacher sees. Local views are the student's alone. */
export const NUM_GLOBAL = 2;

/** The sections of the configuration that make a student. */
export type StudentConfig = Pick<Config, 'model' | 'split' | 'augment'>;

/** The section of an objective of this family. */
type Section = 'dino' | 'ibot' | 'dinov2';

type HeadShape = Omit<DinoHeadConfig, 'inputDim' | 'equivariantDim'>;

/** The head, and where patches have one of their own, that. */
interface HeadShapes {
  readonly head: HeadShape;
  readonly patchHead?: HeadShape | undefined;
}

/** A head: tokens [M, D] to the scores of prototypes [M, K], in two steps of which the second is linear. */
export interface Scoring {
  /** Tokens to vectors of length 1, [M, E]. */
  readonly embed: (tokens: Tensor) => Tensor;
  /** Those to scores. */
  readonly score: (embedded: Tensor) => Tensor;
}

/** The heads, made ready for a step. */
export interface Heads {
  readonly clsHead: Scoring;
  readonly patchHead: Scoring;
}

/** What a network makes of the views of a batch. */
export interface Sight {
  readonly encoded: readonly EncodedView[];
  readonly features: readonly SplitTokens[];
}

/** Scores of the class tokens of all views, [V * B, K]. */
export function clsScores({ features }: Sight, { clsHead }: Heads): Tensor {
  return clsHead.score(clsHead.embed(torch.cat(features.map(({ invariant }) => invariant.cls))));
}

/**
 * DINO's loss of all views' class tokens, f32 [].
 * @param scores the student's, [V * B, K]
 * @param targets the teacher's probabilities of the global views, [2 * B, K]
 */
export function clsLoss(scores: Tensor, targets: Tensor, numViews: number, studentTemp: number): Tensor {
  return dinoLoss(scores.unflatten(0, [numViews, -1]), targets.unflatten(0, [NUM_GLOBAL, -1]), studentTemp);
}

/** Invariant part of the patch tokens of the global views, [2 * B * N, D]. */
export function globalPatchesOf({ features }: Sight): Tensor {
  return torch.cat(features.slice(0, NUM_GLOBAL).map(({ invariant }) => invariant.patches)).flatten(0, 1);
}

/** Encoder, adapter and heads, by the names under which they are checkpointed. */
export class DinoNetwork extends Module {
  readonly encoder: Encoder;
  readonly adapter: Adapter;
  readonly head: DinoHead;
  /** Another head for patches (DINOv2, untied); without it `head` serves both. */
  readonly patchHead: DinoHead | undefined;

  constructor(
    config: Pick<StudentConfig, 'model' | 'split'>,
    { maskToken, head, patchHead }: { readonly maskToken: boolean } & HeadShapes,
    rng: Generator,
  ) {
    super();
    const { model, split } = config;
    const { featureDim, invariantDim: inputDim } = splitDims(config);
    if (split.location !== 'head_output') expectSplit(featureDim, split.equivariantDim);
    const equivariantDim = split.location === 'head_output' ? split.equivariantDim : 0; // of the head that patches go through
    this.encoder = createEncoder(model, rng, { maskToken });
    this.adapter = new Adapter(this.encoder.widthDim, split, rng);
    this.head = new DinoHead({ ...head, inputDim, equivariantDim: patchHead ? 0 : equivariantDim }, rng);
    this.patchHead = patchHead && new DinoHead({ ...patchHead, inputDim, equivariantDim }, rng);
  }

  /** Views [V] of [B, 3, S, S] with what their masks hide hidden; the global ones first. */
  see(views: readonly Pick<View, 'images' | 'mask'>[], split: Config['split'], ctx: ForwardContext): Sight {
    const inputs = views.map(({ images, mask }) => ({ images: normalize(images), mask }));
    const encoded = encodeViews(this, inputs, ctx);
    return { encoded, features: encoded.map((tokens) => this.#split(tokens, split, ctx)) };
  }

  /** Normalises the prototypes, which takes longer than a small batch: once a step. */
  heads(ctx: ForwardContext): Heads {
    const scoring = (head: DinoHead, score = head.lastLayer.scorer(ctx)): Scoring => ({
      embed: (tokens) => head.embed(tokens, ctx),
      score,
    });
    const clsHead = scoring(this.head);
    if (this.patchHead) return { clsHead, patchHead: scoring(this.patchHead) };
    return { clsHead, patchHead: scoring(this.head, this.head.lastLayer2?.scorer(ctx) ?? clsHead.score) };
  }

  #split(tokens: AdaptedTokens, split: Config['split'], ctx: ForwardContext): SplitTokens {
    const head = this.patchHead ?? this.head;
    switch (split.location) {
      case 'adapter':
      case 'backbone':
        return splitTokens(tokens, split);
      case 'head_output':
        return {
          invariant: tokens,
          // Made when it is read: the head costs as much as some blocks of the encoder, and a task reads two views only.
          get equivariant() {
            const patches = head.equivariant(tokens.patches.flatten(0, 1), ctx);
            return {
              cls: head.equivariant(tokens.cls, ctx),
              patches: patches.unflatten(0, [tokens.cls.shape[0] ?? 0, -1]),
            };
          },
        };
      default:
        return split.location satisfies never;
    }
  }
}

/** A student, the teacher that follows it, and the parts of their objective that are the same for all losses. */
export interface Distillation {
  readonly base: Pick<Objective, 'advice' | 'views' | 'network' | 'teacher' | 'encode' | 'inspect'> &
    Required<Pick<Objective, 'batchDependent'>>;
  readonly student: DinoNetwork;
  readonly teacher: DinoNetwork;
  /** What the teacher makes of the global views, nothing hidden; call it under noGrad. */
  readonly teacherSight: (views: readonly View[], ctx: ForwardContext) => Sight;
}

/**
 * A student and its teacher, which begins equal. Throws ConfigError when the split, a view's size or the encoder's shape cannot be.
 * @param section of the configuration with the objective's keys, for advice
 * @param hidesPatches gives the student a mask token
 */
export function distillation(
  config: StudentConfig,
  {
    section,
    hidesPatches,
    teacherMomentum,
    ...heads
  }: {
    readonly section: Section;
    readonly hidesPatches: boolean;
    readonly teacherMomentum: number;
  } & HeadShapes,
  rng: Generator,
): Distillation {
  const { split } = config;
  const student = new DinoNetwork(config, { ...heads, maskToken: hidesPatches }, rng);
  const anyNumbers = torch.generator(0); // the student's take their place
  const teacher = new DinoNetwork(config, { ...heads, maskToken: false }, anyNumbers).requiresGrad_(false);
  anyNumbers.dispose();
  const begin = new Map(student.stateDict());
  begin.delete('encoder.mask_token'); // a teacher sees everything
  teacher.loadStateDict(begin);
  const teacherSight = (views: readonly View[], ctx: ForwardContext): Sight => {
    const whole = views.slice(0, NUM_GLOBAL).map(({ images, teacherImages }) => ({ images: teacherImages ?? images }));
    // Nothing is dropped in a teacher, but its batch norm has the statistics of its own batches and tracks them, as in DINO.
    return teacher.see(whole, split, teacher.encoder.hasBatchNorm ? ctx : { ...ctx, train: false });
  };
  return {
    base: {
      advice: adviceOf(section),
      views: globalAndLocalViews(config),
      network: student,
      batchDependent: student.encoder.hasBatchNorm ? ['the batch norm of the encoder'] : [],
      teacher: {
        network: teacher,
        momentumAt: (step, totalSteps) => teacherMomentumAt(step, totalSteps, teacherMomentum),
      },
      ...(hidesPatches && { encode: (views, ctx) => student.see(views, split, ctx).features }),
      inspect: ({ views }, _state, ctx) => ({
        figures: {},
        features: student.see(views, split, ctx).features,
        teacherFeatures: teacherSight(views, ctx).features,
        columns: columnsOf(views.slice(0, NUM_GLOBAL)),
      }),
    },
    student,
    teacher,
    teacherSight,
  };
}

/**
 * Sharp targets keep answers from being all alike, and a centre that follows keeps them from being all one: either without the other
 * collapses, and so does a centre of momentum 0.999 (Caron et al. 2021, section 5.3 and appendix D).
 */
function adviceOf(section: Section): Advice {
  const sharper = `lower ${section}.teacherTemp.temps, or optim.lr`;
  return {
    sameFeatures: `lower optim.lr, or raise ${section}.teacherMomentum`,
    fewDirections: 'raise train.batch, or lower optim.lr',
    uninformed: { cls: sharper, patch: sharper },
    uniformTargets: `lower ${section}.teacherTemp.temps`,
    onePrototype: `lower ${section}.centerMomentum`,
  };
}

/** The views, then those with hidden patches as the student sees them: grey where it sees nothing. */
function columnsOf(views: readonly View[]): Inspection['columns'] {
  const shown = views.map(({ name, images }) => ({ title: name, images }));
  const seen = views.flatMap(({ name, images, mask }) => {
    return mask ? [{ title: `${name}, seen`, images: seenImages(images, mask) }] : [];
  });
  return [...shown, ...seen];
}

/** Two global views of the size of the model, then `augment.local.count` local ones. Throws ConfigError for a local size that cannot be. */
function globalAndLocalViews({ model, augment }: StudentConfig): ViewRequest[] {
  const { count, cropPx } = augment.local;
  const patch = patchPx(model);
  if (count > 0 && cropPx % patch !== 0) {
    throw new ConfigError(
      `augment.local.cropPx: a view's side must be a multiple of the patch, got ${cropPx} px and patch ${patch} px; ` +
        `use ${Math.max(1, Math.round(cropPx / patch)) * patch}`,
      'augment.local.cropPx',
    );
  }
  const globals = Array.from({ length: NUM_GLOBAL }, (_, i) => ({ name: `v${i + 1}`, sizePx: model.imagePx }));
  const locals = Array.from({ length: count }, (_, i) => ({
    name: `local${i + 1}`,
    sizePx: cropPx,
    local: true as const,
  }));
  return [...globals, ...locals];
}
