/**
 * 95 % intervals: percentile bootstrap over test images, and Wilson's interval for a share of right answers.
 * What they cover is the choice of test images; not the seed of the training, not the choice of training images.
 */
import type { Interval } from '../protocol/report.js';
import { uniformStream } from '../transforms/philox.js';

/** Resamples of a bootstrap. */
export const NUM_RESAMPLES = 1000;

/** Seed of the resamples: one for every encoder and parameter, so that differences between them are paired. */
const RESAMPLE_SEED = 20_250;

/** 97.5 % quantile of the normal distribution. */
const Z_95 = 1.959963984540054;

/**
 * Values of statistics under resampling of images with replacement.
 *
 * An image enters with one row of additive figures, so that everything seen of it goes together: a resample sums the
 * rows of n images drawn with replacement and hands the sums to `statistics`.
 *
 * @param rows [numImages, numColumns], row-major
 * @returns one array a statistic, each with `NUM_RESAMPLES` values
 */
export function bootstrap(
  rows: Float64Array,
  numColumns: number,
  statistics: (sums: Float64Array) => readonly number[],
): Float64Array[] {
  const numImages = rows.length / numColumns;
  if (!Number.isInteger(numImages) || numImages === 0) {
    throw new RangeError(`internal: bootstrap: ${rows.length} figures are not rows of ${numColumns}`);
  }
  const sums = new Float64Array(numColumns);
  const replicates: Float64Array[] = [];
  for (let resample = 0; resample < NUM_RESAMPLES; resample++) {
    const draw = uniformStream(RESAMPLE_SEED, 0, resample, 0, 'bootstrap');
    sums.fill(0);
    for (let i = 0; i < numImages; i++) {
      const start = Math.floor(draw() * numImages) * numColumns;
      for (let column = 0; column < numColumns; column++) {
        sums[column] = (sums[column] ?? 0) + (rows[start + column] ?? 0);
      }
    }
    statistics(sums).forEach((value, which) => {
      (replicates[which] ??= new Float64Array(NUM_RESAMPLES))[resample] = value;
    });
  }
  return replicates;
}

/** The q-quantile of sorted values, linear between neighbours (numpy's default). */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** The middle 95 % of bootstrap values; values that are not finite (a resample of one image) are left out. */
export function percentileInterval(replicates: Float64Array): Interval {
  const sorted = replicates.filter(Number.isFinite).sort();
  return { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
}

/** Groups of photos of a jackknife. */
export const NUM_JACKKNIFE_GROUPS = 10;

/** 97.5 % quantile of Student's t with one degree of freedom fewer than there are groups. */
const T_95 = 2.262157162740991;

/**
 * 95 % interval of a smooth statistic from the pseudo-values of a delete-a-group jackknife: estimate +- t s / sqrt(G), s their standard
 * deviation. Source: Tukey 1958; Shao and Tu 1995, section 2.3.
 * @param pseudoValues of the `NUM_JACKKNIFE_GROUPS` groups; differences of two encoders' for the interval of a paired difference
 */
export function jackknifeInterval(estimate: number, pseudoValues: readonly number[]): Interval {
  const count = pseudoValues.length;
  if (count !== NUM_JACKKNIFE_GROUPS) throw new RangeError(`internal: jackknifeInterval: ${count} groups`);
  const mean = pseudoValues.reduce((sum, value) => sum + value, 0) / count;
  const variance = pseudoValues.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const half = T_95 * Math.sqrt(variance / count);
  return { low: estimate - half, high: estimate + half };
}

/** Wilson's 95 % interval of a share of right answers, in percent. Source: Wilson 1927, score interval. */
export function wilsonInterval(numRight: number, total: number): Interval {
  if (total <= 0) throw new RangeError(`internal: wilsonInterval: total must be positive, got ${total}`);
  const share = numRight / total;
  const z2 = Z_95 * Z_95;
  const middle = (share + z2 / (2 * total)) / (1 + z2 / total);
  const half = (Z_95 / (1 + z2 / total)) * Math.sqrt((share * (1 - share)) / total + z2 / (4 * total * total));
  return { low: 100 * Math.max(0, middle - half), high: 100 * Math.min(1, middle + half) };
}

/**
 * Difference of top-1 on the same photos, second encoder minus first, in percentage points, with the interval of a paired
 * bootstrap over photos: those that both get right or wrong add nothing to its width. Of several pairs (one a seed) it is
 * the difference of the means.
 *
 * @param pairs for each pair the outcomes [before, after] by photo, 1 where it was right
 */
export function pairedTop1Difference(pairs: readonly (readonly [before: Uint8Array, after: Uint8Array])[]): {
  readonly difference: number;
  readonly interval: Interval;
} {
  const total = pairs[0]?.[0]?.length ?? 0;
  const gains = new Float64Array(total);
  for (const [before, after] of pairs) {
    if (before.length !== total || after.length !== total) {
      throw new RangeError(
        `pairedTop1Difference: all encoders must have answered the same photos, got ${total}, ${before.length} and ${after.length}; evaluate all on one set`,
      );
    }
    for (const [i, right] of after.entries()) gains[i] = (gains[i] ?? 0) + (right - (before[i] ?? 0)) / pairs.length;
  }
  const asPercent = (sums: Float64Array): number => (100 * (sums[0] ?? 0)) / total;
  const [replicates] = bootstrap(gains, 1, (sums) => [asPercent(sums)]);
  const sum = gains.reduce((a, b) => a + b, 0);
  return {
    difference: asPercent(Float64Array.of(sum)),
    interval: percentileInterval(replicates ?? new Float64Array(0)),
  };
}
