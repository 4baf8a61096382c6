/**
 * What an objective is: views in, named scalar terms out. Pure: state in, state out; it never sees the loop, the
 * config file or the disk, and no other code asks which objective it is.
 *
 * An objective returns the features it computed, so that an auxiliary task never costs another encoder pass.
 */
import type { Tensor } from '@halfway/torch';
import type { ForwardContext, Module } from '@halfway/torch/nn';
import type { DeviceBatch, ViewRequest } from '../data/batch.js';
import type { SplitTokens } from './split.js';

/** State that an objective carries from step to step (centres, prototypes): detached tensors by name. */
export type ObjectiveState = Readonly<Record<string, Tensor>>;

/** Numbers of one step, computed by the schedule before the step begins; nothing downstream reads config or clock. */
export interface StepParams {
  readonly step: number;
  readonly lr: number;
  readonly clipNorm: number; // 0: no clip
  /** Weight of each term; a term without an entry is an internal error. */
  readonly weights: Readonly<Record<string, number>>;
}

export interface ObjectiveOutput {
  /** Scalars f32 [] that are weighted, summed and minimised. */
  readonly terms: Readonly<Record<string, Tensor>>;
  /** Scalars f32 [] that are only logged, detached. */
  readonly figures: Readonly<Record<string, Tensor>>;
  readonly state: ObjectiveState;
  /** The split tokens of each view, in the order of `views`. */
  readonly features: readonly SplitTokens[];
}

export interface Objective {
  readonly views: readonly ViewRequest[];
  /** Everything trainable, by the names under which it is checkpointed: encoder, adapter, heads, decoders. */
  readonly network: Module;
  /** Weight of each term at a step of `totalSteps` (constants, warm-ups). */
  weightsAt(step: number, totalSteps: number): Readonly<Record<string, number>>;
  initialState(): ObjectiveState;
  forward(batch: DeviceBatch, params: StepParams, state: ObjectiveState, ctx: ForwardContext): ObjectiveOutput;
  /**
   * Figures that cost an extra decode and are wanted once in a while (the error when v1's part is swapped), and the
   * pictures of the batch; called under noGrad.
   */
  inspect(batch: DeviceBatch, state: ObjectiveState, ctx: ForwardContext): Inspection;
}

/** Named figures, and image rows for the picture of the run: each f32 [B, 3, S, S] in [0, 1], in column order. */
export interface Inspection {
  readonly figures: Readonly<Record<string, Tensor>>;
  /** The split tokens that were inspected, one per view, so that an auxiliary task need not encode again. */
  readonly features: readonly SplitTokens[];
  /** The views come first, in the order of `views`. */
  readonly columns: readonly { readonly title: string; readonly images: Tensor }[];
}
