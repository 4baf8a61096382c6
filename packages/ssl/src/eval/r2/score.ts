/**
 * R2 of predicted transformation parameters, in both forms, from sums that add up over images.
 *
 * n images, A thetas an image, P parameters (dimensions).
 */

/** The two forms of R2. `global` is SIE's: one scalar mean over samples and dimensions. */
export interface R2Score {
  readonly perDimension: readonly number[]; // [P]
  readonly perDimensionMean: number;
  readonly global: number;
}

/** Figures an image adds for each dimension: squared error, target, squared target. */
const FIGURES = 3;

/** Columns of the sums of P dimensions. */
export function sumColumns(numDims: number): number {
  return FIGURES * numDims;
}

/**
 * What each image adds to the sums of R2, all its thetas together.
 *
 * @param target parameters scaled to [-1, 1], [n * A, P], thetas of an image next to each other
 * @param prediction the same shape
 * @returns [n, 3 P]: per dimension squared error, target, squared target
 */
export function imageSums(
  target: Float32Array | Float64Array,
  prediction: Float32Array | Float64Array,
  numDims: number,
  thetasPerImage: number,
): Float64Array {
  const perImage = numDims * thetasPerImage;
  if (target.length !== prediction.length || target.length % perImage !== 0) {
    throw new RangeError(
      `internal: imageSums: ${target.length} targets and ${prediction.length} predictions are not images of ${thetasPerImage} x ${numDims}`,
    );
  }
  const columns = sumColumns(numDims);
  const sums = new Float64Array((target.length / perImage) * columns);
  for (let at = 0; at < target.length; at++) {
    const value = target[at] ?? 0;
    const error = (prediction[at] ?? 0) - value;
    const start = Math.floor(at / perImage) * columns + (at % numDims) * FIGURES;
    sums[start] = (sums[start] ?? 0) + error * error;
    sums[start + 1] = (sums[start + 1] ?? 0) + value;
    sums[start + 2] = (sums[start + 2] ?? 0) + value * value;
  }
  return sums;
}

/**
 * R2 from summed figures: per dimension 1 - RSS_d / TSS_d with that dimension's own mean; global
 * 1 - sum RSS / sum (t - t_mean)^2 with one mean over samples and dimensions (SIE's evaluation scripts).
 *
 * @param sums [3 P] over any images
 * @param numSamples samples in the sums: images times thetas
 */
export function scoreOfSums(sums: Float64Array, numSamples: number): R2Score {
  const numDims = sums.length / FIGURES;
  const perDimension: number[] = [];
  let allErrors = 0;
  let allTargets = 0;
  let allSquares = 0;
  for (let dim = 0; dim < numDims; dim++) {
    const error = sums[dim * FIGURES] ?? 0;
    const target = sums[dim * FIGURES + 1] ?? 0;
    const square = sums[dim * FIGURES + 2] ?? 0;
    perDimension.push(1 - error / (square - (target * target) / numSamples));
    allErrors += error;
    allTargets += target;
    allSquares += square;
  }
  return {
    perDimension,
    perDimensionMean: perDimension.reduce((a, b) => a + b, 0) / numDims,
    global: 1 - allErrors / (allSquares - (allTargets * allTargets) / (numSamples * numDims)),
  };
}

/** Adds the rows [n, columns] to one row. */
export function sumRows(rows: Float64Array, columns: number): Float64Array {
  const sums = new Float64Array(columns);
  for (let at = 0; at < rows.length; at++) sums[at % columns] = (sums[at % columns] ?? 0) + (rows[at] ?? 0);
  return sums;
}

/** R2 of predictions against targets, both [samples, P]. */
export function r2Score(
  target: Float32Array | Float64Array,
  prediction: Float32Array | Float64Array,
  numDims: number,
): R2Score {
  const sums = sumRows(imageSums(target, prediction, numDims, 1), sumColumns(numDims));
  return scoreOfSums(sums, target.length / numDims);
}
