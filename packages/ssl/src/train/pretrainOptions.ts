/** What a caller gives a pretraining, and what it is told while it runs. */
import type { Config } from '../config/schema.js';
import type { RunEvent } from '../protocol/events.js';
import type { FeatureFigure, FigureChange, NoFigure } from '../protocol/init.js';
import type { MetricRow } from '../protocol/metrics.js';
import type { FrozenNetwork } from '../run/loadEncoder.js';

/** What a pretraining is made of. */
export interface PretrainOptions {
  readonly config: Config;
  readonly recipe: string; // its name, for the manifest
  /** Folders, tar shards, file lists. */
  readonly data: readonly string[];
  readonly out: string;
  /** Goes on with the run in `out`; one that is finished is left alone. */
  readonly resume?: boolean;
  /** Goes on although the engine differs from the one that began: other bits, said in the run's events. */
  readonly allowOtherEngine?: boolean;
  /** Measures what features are worth: with it, a run that starts from weights says at its end whether it made better ones. */
  readonly judge?: FeatureJudge;
  readonly onProgress?: (progress: PretrainProgress) => void;
  /** Stops after the step at hand, with a checkpoint. */
  readonly signal?: AbortSignal;
}

/** Evaluation's `featureJudge`, as training sees it. */
export interface FeatureJudge {
  /** What the network's features of these photos are worth, or why the photos cannot tell. */
  measure(network: FrozenNetwork, data: readonly string[]): Promise<FeatureFigure | NoFigure>;
  compare(before: FeatureFigure, after: FeatureFigure): FigureChange;
}

/** What a caller is told while it runs. */
export type PretrainProgress =
  | { readonly kind: 'header'; readonly text: string }
  | { readonly kind: 'row'; readonly row: MetricRow; readonly totalSteps: number }
  | { readonly kind: 'event'; readonly event: RunEvent };
