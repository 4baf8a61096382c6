/** Reports of `halfway eval`: RUN/reports/eval-<name>.json and the last line of `--json`. Version 1. */

export const REPORT_VERSION = 1;

/** In the order in which they are run; `knn` and `linear` need photos with classes. */
export const EVAL_TASKS = ['r2', 'knn', 'linear', 'rank'] as const;
export type EvalTask = (typeof EVAL_TASKS)[number];

/** In the order of the paper's Table 1. */
export const R2_PARAMETERS = ['rotation', 'color', 'blur', 'translation'] as const;
export type R2Parameter = (typeof R2_PARAMETERS)[number];

/** What is seen outside the photo: nothing, because there is more photo; or black (the paper's likely protocol). */
export const BORDERS = ['inside', 'zeros'] as const;
export type Border = (typeof BORDERS)[number];

/** What `eval.features` may name; `featureFunction` says what each is. */
export const FEATURE_KINDS = ['cls', 'mean', 'invariant', 'equivariant'] as const;
export type FeatureKind = (typeof FEATURE_KINDS)[number];

/**
 * A 95 % interval over the choice of test images: percentile bootstrap for R2, Wilson's for top-1. Not over seeds of
 * the training.
 */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Something of each parameter that was asked about; of the mean only where all were, since it is a mean over all. */
export type ByParameter<T> = Readonly<Partial<Record<R2Parameter | 'mean', T>>>;

/** Something of each border that was asked about. */
export type ByBorder<T> = Readonly<Partial<Record<Border, T>>>;

/** R2 of transformation parameters; headline numbers are means over dimensions of per-dimension R2 of the MLP head. */
export interface R2Report extends ByBorder<ByParameter<number>> {
  /** Of the headline numbers, from one bootstrap, so that the interval of the mean is that of paired images. */
  readonly intervals: ByBorder<ByParameter<Interval>>;
  readonly detail: readonly R2Detail[];
  readonly protocol: string;
}

export interface R2Detail {
  readonly parameter: R2Parameter;
  readonly border: Border;
  readonly head: 'mlp' | 'ridge';
  readonly perDimension: readonly number[];
  readonly perDimensionMean: number;
  readonly global: number; // SIE's form: one scalar over samples and dimensions
  readonly interval: Interval; // of perDimensionMean
  readonly chosen: string; // hyper-parameters chosen on validation
  /** perDimensionMean of the ridge head (for both heads) on features of g(I) alone: what is read without I beside it. */
  readonly transformedOnly: number;
}

export interface KnnReport {
  readonly top1: number; // percent
  readonly k: number;
  readonly interval: Interval;
  readonly protocol: string;
}

export interface LinearReport {
  readonly top1: number; // percent
  readonly interval: Interval;
  readonly protocol: string;
}

export interface RankReport {
  readonly effectiveRank: number; // directions, 1 to featureDim
  readonly featureDim: number;
  readonly interval: Interval; // by a jackknife over photos
  readonly protocol: string;
}

export interface TaskReports {
  readonly r2?: R2Report;
  readonly knn?: KnnReport;
  readonly linear?: LinearReport;
  readonly rank?: RankReport;
}

export interface EvalReport {
  readonly version: typeof REPORT_VERSION;
  readonly source: string; // for people: the run, and the checkpoint's step
  readonly step?: number; // of the checkpoint; none of a file of weights
  readonly features: FeatureKind;
  readonly data: {
    /** The photos in words, with what was left out of them, and how many there were. */
    readonly train: string;
    readonly test: string;
    readonly numTrain: number;
    readonly numTest: number;
    /** Which photos they were: a hash over both parts. Figures of other photos do not compare. */
    readonly hash: string;
  };
  readonly tasks: TaskReports;
  readonly baseline?: TaskReports; // the untrained encoder of the same shape
  readonly seconds: number; // of the last evaluation, where several came together in one file
  /** Where its time went: rendering, encoding and each task, baseline included. */
  readonly timings: Readonly<Record<string, number>>; // seconds
}
