/**
 * The closed-form head of R2: ridge regression on z-scored features, its strength chosen on the validation part.
 *
 * n images, A thetas an image, F features of a row, P parameters.
 */
import { scope, zeros, type Tensor } from '@halfway/torch';
import { forEachChunk, inputDim, type HeadInput, type PairSet } from './pairSet.js';

/** Ridge strengths tried, relative to features of deviation 1: 1e-6 to 1e2 in half decades. */
export const RIDGE_STRENGTHS: readonly number[] = Array.from({ length: 17 }, (_, i) => 10 ** (-6 + i / 2));

/** Predictions of a head for the test part, [n * A, P] row-major, and what was chosen on validation. */
export interface HeadPrediction {
  readonly prediction: Float32Array | Float64Array;
  readonly chosen: string;
}

/** Sufficient statistics of a least-squares problem with an intercept, float64. */
interface Moments {
  readonly gram: Tensor; // X^T X - N x x^T, [F, F]
  readonly cross: Tensor; // X^T Y - N x y^T, [F, P]
  readonly inputMean: Tensor; // [1, F]
  readonly targetMean: Tensor; // [1, P]
  readonly numSamples: number; // N
}

/**
 * W = (X^T X + N s I)^-1 X^T Y on centred X, Y; the intercept is not penalised. The strength s with the smallest mean
 * squared error on `validation` is used; the fit stays that of the fit part. All arithmetic is float64.
 */
export function ridgeHead(
  fit: PairSet,
  validation: PairSet,
  test: PairSet,
  input: HeadInput,
  strengths: readonly number[] = RIDGE_STRENGTHS,
): HeadPrediction {
  return scope(() => {
    const moments = momentsOf(fit, input);
    const [eigenvalues, basis] = moments.gram.linalgEigh(); // [F], [F, F]
    const projected = basis.t().matmul(moments.cross); // [F, P]
    let best: { strength: number; error: number; weight: Tensor } | undefined;
    for (const strength of strengths) {
      const scale = eigenvalues.add(strength * moments.numSamples).reciprocal();
      const weight = basis.matmul(projected.mul(scale.unsqueeze(1))); // [F, P]
      const error = validationError(validation, input, moments, weight);
      if (best === undefined || error < best.error) best = { strength, error, weight };
    }
    if (best === undefined) throw new RangeError('internal: ridgeHead: no strength to try');
    return {
      prediction: predict(test, input, moments, best.weight),
      chosen: `strength ${best.strength.toExponential(1)}`,
    };
  });
}

function momentsOf(set: PairSet, input: HeadInput): Moments {
  const dim = inputDim(set, input);
  const numTargets = set.target.shape[1] ?? 0;
  const numSamples = set.target.shape[0] ?? 0;
  const gram = zeros([dim, dim], { dtype: 'float64' });
  const cross = zeros([dim, numTargets], { dtype: 'float64' });
  const inputSum = zeros([1, dim], { dtype: 'float64' });
  const targetSum = zeros([1, numTargets], { dtype: 'float64' });
  forEachChunk(set, input, (rows32, target32) => {
    const rows = rows32.to('float64');
    const target = target32.to('float64');
    gram.add_(rows.t().matmul(rows));
    cross.add_(rows.t().matmul(target));
    inputSum.add_(rows.sum([0], true));
    targetSum.add_(target.sum([0], true));
  });
  const inputMean = inputSum.div(numSamples);
  const targetMean = targetSum.div(numSamples);
  return {
    gram: gram.sub(inputSum.t().matmul(inputMean)),
    cross: cross.sub(inputSum.t().matmul(targetMean)),
    inputMean,
    targetMean,
    numSamples,
  };
}

/** Predictions for f32 rows [b * A, F], in float64. */
function respond(rows: Tensor, moments: Moments, weight: Tensor): Tensor {
  return rows.to('float64').sub(moments.inputMean).matmul(weight).add(moments.targetMean); // [b * A, P]
}

function validationError(set: PairSet, input: HeadInput, moments: Moments, weight: Tensor): number {
  let error = 0;
  forEachChunk(set, input, (rows, target) => {
    error += respond(rows, moments, weight).sub(target).square().sum().item();
  });
  return error;
}

function predict(set: PairSet, input: HeadInput, moments: Moments, weight: Tensor): Float64Array {
  const numTargets = set.target.shape[1] ?? 0;
  const prediction = new Float64Array((set.target.shape[0] ?? 0) * numTargets);
  let at = 0;
  forEachChunk(set, input, (rows) => {
    const values = respond(rows, moments, weight).toTypedArray() as Float64Array;
    prediction.set(values, at);
    at += values.length;
  });
  return prediction;
}
