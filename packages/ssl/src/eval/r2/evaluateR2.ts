/**
 * R2 of the transformation parameters of frozen features: both borders, both heads, one bootstrap for all intervals
 * (docs/evaluation.md). Takes features; renders and encodes nothing.
 *
 * n images, A thetas an image, P parameters.
 */
import { scope, type Tensor } from '@halfway/torch';
import {
  BORDERS,
  R2_PARAMETERS,
  type Border,
  type ByParameter,
  type Interval,
  type R2Detail,
  type R2Parameter,
  type R2Report,
} from '../../protocol/report.js';
import { bootstrap, NUM_RESAMPLES, percentileInterval } from '../intervals.js';
import type { ProgressListener } from '../progress.js';
import { mlpHead } from './mlpHead.js';
import { standardizeByFirst, type PairSet } from './pairSet.js';
import { ridgeHead } from './ridgeHead.js';
import { imageSums, scoreOfSums, sumColumns, sumRows, type R2Score } from './score.js';

/** Features of one parameter under one border, split by image. */
export interface R2Parts {
  readonly fit: PairSet;
  readonly validation: PairSet;
  readonly test: PairSet;
}

export interface R2Options {
  readonly headWidth: number;
  readonly headEpochs: number;
  readonly onProgress?: ProgressListener;
}

/** A head's answers for the test images, before the interval is known. */
export interface R2Answer {
  readonly parameter: R2Parameter;
  readonly border: Border;
  readonly head: 'mlp' | 'ridge';
  readonly sums: Float64Array; // [n, 3 P]
  readonly columns: number; // 3 P
  readonly numSamples: number; // n A
  readonly chosen: string;
  readonly transformedOnly: number;
}

/** Fits both heads for one parameter under one border and asks them once about the test part. */
export async function answersOf(
  parameter: R2Parameter,
  border: Border,
  parts: R2Parts,
  options: R2Options,
): Promise<readonly R2Answer[]> {
  const [fit, validation, test] = standardizeByFirst([parts.fit, parts.validation, parts.test]);
  if (fit === undefined || validation === undefined || test === undefined)
    throw new Error('internal: evaluateR2: parts');
  try {
    options.onProgress?.(`r2: ${parameter}, ${border}`, true);
    const alone = ridgeHead(fit, validation, test, 'transformed');
    const ridge = ridgeHead(fit, validation, test, 'pair');
    const mlp = await mlpHead(fit, validation, test, {
      widthDim: options.headWidth,
      maxEpochs: options.headEpochs,
      onEpoch: (epoch) => options.onProgress?.(`r2: ${parameter}, ${border}: head epoch ${epoch}`, true),
    });
    const target = scope(() => test.target.toTypedArray()) as Float32Array;
    const numDims = test.target.shape[1] ?? 0;
    const sumsOf = (prediction: Float32Array | Float64Array): Float64Array =>
      imageSums(target, prediction, numDims, test.thetasPerImage);
    const columns = sumColumns(numDims);
    const numSamples = target.length / numDims;
    const transformedOnly = scoreOfSums(sumRows(sumsOf(alone.prediction), columns), numSamples).perDimensionMean;
    const common = { parameter, border, columns, numSamples, transformedOnly };
    return [
      { ...common, head: 'mlp', sums: sumsOf(mlp.prediction), chosen: mlp.chosen },
      { ...common, head: 'ridge', sums: sumsOf(ridge.prediction), chosen: ridge.chosen },
    ];
  } finally {
    for (const set of [fit, validation, test]) disposeFeatures(set);
  }
}

/**
 * The report of all answers, without what was not asked: they are put side by side, one row an image, and the images are resampled once for all.
 * Every answer must be about the same test images in the same order.
 */
export function r2ReportOf(answers: readonly R2Answer[], protocol: string): R2Report {
  const { rows, numColumns, starts } = sideBySide(answers);
  const scoreAt = (sums: Float64Array, which: number): R2Score => {
    const answer = answers[which];
    const start = starts[which];
    if (answer === undefined || start === undefined) throw new RangeError('internal: evaluateR2: no such answer');
    return scoreOfSums(sums.subarray(start, start + answer.columns), answer.numSamples);
  };
  const means = (sums: Float64Array): number[] => answers.map((_, which) => scoreAt(sums, which).perDimensionMean);
  const sums = sumRows(rows, numColumns);
  const replicates = bootstrap(rows, numColumns, means);
  const detail = answers.map((answer, which): R2Detail => {
    const { parameter, border, head, chosen, transformedOnly } = answer;
    const interval = percentileInterval(replicates[which] ?? new Float64Array(0));
    return { parameter, border, head, ...scoreAt(sums, which), interval, chosen, transformedOnly };
  });
  const asked = BORDERS.filter((border) => detail.some((row) => row.border === border));
  return {
    ...Object.fromEntries(asked.map((border) => [border, headline(detail, border)])),
    intervals: Object.fromEntries(asked.map((border) => [border, headlineIntervals(detail, replicates, border)])),
    detail,
    protocol,
  };
}

/** The rows of all answers next to each other: [n, sum of columns], and where each answer starts. */
function sideBySide(answers: readonly R2Answer[]): {
  readonly rows: Float64Array;
  readonly numColumns: number;
  readonly starts: readonly number[];
} {
  const starts: number[] = [];
  let numColumns = 0;
  for (const { columns } of answers) {
    starts.push(numColumns);
    numColumns += columns;
  }
  const first = answers[0];
  const numImages = first === undefined ? 0 : first.sums.length / first.columns;
  const rows = new Float64Array(numImages * numColumns);
  answers.forEach(({ sums, columns }, which) => {
    if (sums.length !== numImages * columns) {
      throw new RangeError(
        `internal: evaluateR2: parameters hold different test images, got ${sums.length / columns} and ${numImages}`,
      );
    }
    for (let image = 0; image < numImages; image++) {
      rows.set(sums.subarray(image * columns, (image + 1) * columns), image * numColumns + (starts[which] ?? 0));
    }
  });
  return { rows, numColumns, starts };
}

/** The MLP's perDimensionMean of each parameter, and their mean. */
function headline(detail: readonly R2Detail[], border: Border): ByParameter<number> {
  return byParameter(
    detail,
    border,
    ({ perDimensionMean }) => perDimensionMean,
    (values) => values.reduce((a, b) => a + b, 0) / values.length,
  );
}

function headlineIntervals(
  detail: readonly R2Detail[],
  replicates: readonly Float64Array[],
  border: Border,
): ByParameter<Interval> {
  const meanOf = (all: readonly Float64Array[]): Float64Array =>
    Float64Array.from(
      { length: NUM_RESAMPLES },
      (_, i) => all.reduce((sum, one) => sum + (one[i] ?? 0), 0) / all.length,
    );
  const values = byParameter(detail, border, (_, which) => replicates[which] ?? new Float64Array(0), meanOf);
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, percentileInterval(value)]));
}

/** What `valueOf` says of the MLP's answer for each parameter, and their mean if all parameters have one. */
function byParameter<T>(
  detail: readonly R2Detail[],
  border: Border,
  valueOf: (row: R2Detail, which: number) => T,
  meanOf: (values: readonly T[]) => T,
): ByParameter<T> {
  const values = R2_PARAMETERS.flatMap((parameter): (readonly [R2Parameter, T])[] => {
    const which = detail.findIndex((d) => d.parameter === parameter && d.border === border && d.head === 'mlp');
    const row = detail[which];
    return row === undefined ? [] : [[parameter, valueOf(row, which)]];
  });
  const isComplete = values.length === R2_PARAMETERS.length;
  return {
    ...Object.fromEntries(values),
    ...(isComplete ? { mean: meanOf(values.map(([, value]) => value)) } : {}),
  };
}

/** How the heads were made, in words. */
export function describeHeads({ headWidth, headEpochs }: R2Options): string {
  return (
    `vector [f(I), f(g(I))], z-scored with the statistics of the fit part; headline: MLP 2D-${headWidth}-${headWidth}-P, ` +
    `ReLU, Adam 1e-3, batch 256, at most ${headEpochs} epochs, weight decay and epoch chosen on the validation part; beside it ` +
    'closed-form ridge, strength chosen on the validation part; mean over dimensions (each scaled to [-1, 1]) of R2, test ' +
    `part seen once; 95 % interval: percentile bootstrap over test images, ${NUM_RESAMPLES} resamples; transformedOnly: ridge on f(g(I))`
  );
}

/** Frees what `standardizeByFirst` made; the target belongs to the caller. */
function disposeFeatures(set: PairSet): void {
  const made: readonly Tensor[] = [set.base, set.transformed];
  for (const tensor of made) tensor.dispose();
}
