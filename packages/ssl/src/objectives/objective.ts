/**
 * What an objective is: views in, named scalar terms out. Pure: state in, state out; it never sees the loop, the
 * config file or the disk, and no other code asks which objective it is.
 *
 * An objective returns the features it computed, so that an auxiliary task never costs another encoder pass.
 */
import type { Tensor } from '@halfway/torch';
import type { ForwardContext, Module } from '@halfway/torch/nn';
import type { Encoder } from '../models/encoder.js';
import type { DeviceBatch, PlanMasks, View, ViewRequest } from '../data/batch.js';
import type { SplitTokens } from './split.js';

/** State that an objective carries from step to step (centres, prototypes): detached tensors by name. */
export type ObjectiveState = Readonly<Record<string, Tensor>>;

/** What a step tells its objective. */
export interface ObjectiveParams {
  /** The objective's own scheduled numbers, such as the teacher's temperature. */
  readonly numbers: Readonly<Record<string, number>>;
}

/** What an objective made of a batch, for tasks that come on top. */
export interface SeenFeatures {
  /** The student's split tokens of each view, in the order of `views`. */
  readonly features: readonly SplitTokens[];
  /** The teacher's, of the views that it sees; without gradient. */
  readonly teacherFeatures?: readonly SplitTokens[];
}

export interface ObjectiveOutput extends SeenFeatures {
  /** Scalars f32 [] that are weighted, summed and minimised. */
  readonly terms: Readonly<Record<string, Tensor>>;
  /** Scalars f32 [] that are only logged, detached. */
  readonly figures: Readonly<Record<string, Tensor>>;
  readonly state: ObjectiveState;
}

/** A network that follows the trained one: the mean over the past of the parameters of the same names. */
export interface Teacher {
  /** Begins with the trained network's values; the objective runs it without gradients. */
  readonly network: Module;
  momentumAt(step: number, totalSteps: number): number;
}

/** Ways in which a training goes wrong, and what to change then: ends of sentences that name keys of the configuration. */
export interface Advice {
  /** The features of all photos are nearly the same. */
  readonly sameFeatures: string;
  /** They lie on few directions. */
  readonly fewDirections: string;
  /** By term: it is what it is when nothing is known (the figure `<term>OverUninformed`). */
  readonly uninformed: Readonly<Record<string, string>>;
  /** A teacher's answers are nearly uniform (the figure `teacherEntropy`). */
  readonly uniformTargets: string;
  /** It gives all photos to one prototype (the figure `usedPrototypes`). */
  readonly onePrototype: string;
}

export interface Objective {
  /** Of what can go wrong with it. */
  readonly advice: Partial<Advice>;
  readonly views: readonly ViewRequest[];
  /** Which patches of which view are hidden from the student, for objectives that hide any. */
  readonly planMasks?: PlanMasks;
  /** The student's split tokens of views, in another pass; of objectives that hide patches, for tasks that want whole views. */
  encode?(views: readonly View[], ctx: ForwardContext): readonly SplitTokens[];
  /** Everything trainable, by the names under which it is checkpointed: encoder (which may start from weights), adapter, heads, decoders. */
  readonly network: Module & { readonly encoder?: Encoder };
  readonly teacher?: Teacher;
  /**
   * What of the loss depends on the images of a batch together, in words. Where there is nothing, the loss of a batch is the mean of the
   * losses of its parts, and its next state the mean of theirs.
   */
  readonly batchDependent?: readonly string[];
  /** Weight of each term at a step of `totalSteps` (constants, warm-ups). */
  weightsAt(step: number, totalSteps: number): Readonly<Record<string, number>>;
  /** The objective's own numbers at a step: they arrive in `params.numbers`, and are logged. */
  numbersAt?(step: number, totalSteps: number): Readonly<Record<string, number>>;
  initialState(): ObjectiveState;
  forward(batch: DeviceBatch, params: ObjectiveParams, state: ObjectiveState, ctx: ForwardContext): ObjectiveOutput;
  /**
   * Figures that cost an extra decode and are wanted once in a while (the error when v1's part is swapped), and the
   * pictures of the batch; called under noGrad.
   */
  inspect(batch: DeviceBatch, state: ObjectiveState, ctx: ForwardContext): Inspection;
}

/** Named figures, and image rows for the picture of the run: each f32 [B, 3, S, S] in [0, 1], in column order. */
export interface Inspection extends SeenFeatures {
  readonly figures: Readonly<Record<string, Tensor>>;
  /** v1 is the first column and v2 the second; what comes after them is the objective's own. A task puts its columns between. */
  readonly columns: readonly { readonly title: string; readonly images: Tensor }[];
}
