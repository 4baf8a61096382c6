/** RUN/reports/init.json: what became of the features of the weights that a run started from. Version 1. */
import type { Interval } from './report.js';

export const INIT_VERSION = 1;

/** What an encoder's features are worth, with what a paired comparison of two encoders needs. */
export interface FeatureFigure {
  /** k-NN where every photo has a class, else how many directions the features use. */
  readonly kind: 'knn' | 'effectiveRank';
  readonly value: number; // top-1 in percent; directions
  /** k-NN: for each photo 1 where it is right, else 0. Rank: the pseudo-values of its jackknife. */
  readonly outcomes: readonly number[];
  readonly numPhotos: number;
  readonly protocol: string;
}

/** Why photos allow no figure: a sentence without its end. */
export interface NoFigure {
  readonly kind: 'none';
  readonly reason: string;
}

/** Of the same figure of two encoders. */
export interface FigureChange {
  readonly difference: number; // after minus before
  readonly interval: Interval;
}

export interface InitReport {
  readonly version: typeof INIT_VERSION;
  readonly weights: { readonly file: string; readonly sha256: string };
  readonly before: FeatureFigure; // at step 0
  /** Of a run that is finished. */
  readonly end?: InitEnd;
}

export interface InitEnd extends FigureChange {
  readonly after: FeatureFigure;
  /** Whether the new weights are better than those it started from. */
  readonly sentence: string;
}
