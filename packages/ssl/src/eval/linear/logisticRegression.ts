/**
 * Multinomial logistic regression with an L2 penalty, fitted to convergence with L-BFGS in float64.
 *
 * n photos, D features, L classes.
 */
import { argmaxOfRows } from '../argmaxOfRows.js';
import { cat, noGrad, scope, zeros, type Tensor } from '@halfway/torch';
import { lbfgs } from './lbfgs.js';

/** Weights [D, L] and biases [1, L], float64, of the scope that `fitLogistic` is called in. */
export interface LogisticModel {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly iterations: number;
  readonly hasConverged: boolean;
}

/** Rows turned to float64 at a time. */
const CHUNK_ROWS = 16_384;

const MAX_ITERATIONS = 500;
const GRADIENT_TOLERANCE = 1e-6;

/**
 * Minimises mean cross-entropy(x W + b, label) + strength / 2 |W|^2; biases are not penalised.
 *
 * Solved in coordinates V with W = T V, in which the features are uncorrelated and of about one size: the same minimum in
 * tens of iterations where frozen features, whose variances span many orders, would take thousands.
 *
 * @param features f32 [n, D]
 * @param labels int64 [n], 0 .. numClasses - 1
 * @param start model to start from, for a path of strengths
 */
export function fitLogistic(
  features: Tensor,
  labels: Tensor,
  numClasses: number,
  strength: number,
  start?: LogisticModel,
): LogisticModel {
  const numFeatures = features.shape[1] ?? 0;
  return noGrad(() =>
    scope(() => {
      const coordinates = coordinatesOf(features, strength);
      const initial =
        start === undefined
          ? zeros([(numFeatures + 1) * numClasses], { dtype: 'float64' })
          : flattenModel(coordinates.inverse.matmul(start.weight), start.bias);
      const { point, iterations, hasConverged } = lbfgs(
        initial,
        (at) => objective(features, labels, unflatten(at, numFeatures, numClasses), coordinates),
        { maxIterations: MAX_ITERATIONS, gradientTolerance: GRADIENT_TOLERANCE },
      );
      const { weight, bias } = unflatten(point, numFeatures, numClasses);
      const model = { weight: coordinates.basis.matmul(weight), bias: bias.clone(), iterations, hasConverged };
      point.dispose();
      return model;
    }),
  );
}

/** W = basis V; the penalty strength / 2 |W|^2 is sum of penalty * V^2 / 2, because the basis is orthogonal by columns. */
interface Coordinates {
  readonly basis: Tensor; // T [D, D]
  readonly inverse: Tensor; // T^-1 [D, D]
  readonly penalty: Tensor; // [D, 1]
}

/** T = Q diag(1 / sqrt(variance + strength)), from the eigenvectors Q of the features' second moments. */
function coordinatesOf(features: Tensor, strength: number): Coordinates {
  const total = features.shape[0] ?? 0;
  const dim = features.shape[1] ?? 0;
  const moments = zeros([dim, dim], { dtype: 'float64' });
  forEachChunk(features, (rows) => moments.add_(rows.t().matmul(rows).div(total)));
  const [variances, vectors] = moments.linalgEigh(); // [D], [D, D]
  const scale = variances.clamp(0).add(strength).rsqrt().unsqueeze(1); // [D, 1]
  return {
    basis: vectors.mul(scale.t()),
    inverse: vectors.t().div(scale),
    penalty: scale.square().mul(strength),
  };
}

/** The most likely class of each row of f32 [n, D]. */
export function predictLogistic(features: Tensor, model: LogisticModel): Int32Array {
  const predicted = new Int32Array(features.shape[0] ?? 0);
  forEachChunk(features, (rows, first) => {
    predicted.set(argmaxOfRows(rows.matmul(model.weight).add(model.bias)), first);
  });
  return predicted;
}

/** Value and closed-form gradient in V: (X T)^T (softmax - onehot) / n + penalty V. */
function objective(
  features: Tensor,
  labels: Tensor,
  { weight, bias }: { readonly weight: Tensor; readonly bias: Tensor },
  { basis, penalty }: Coordinates,
): { readonly value: number; readonly gradient: Tensor } {
  const total = features.shape[0] ?? 0;
  const penalized = weight.mul(penalty); // [D, L]
  const map = basis.matmul(weight); // W [D, L]
  const mapGradient = map.mul(0);
  const biasGradient = bias.mul(0); // [1, L]
  let value = weight.mul(penalized).sum().item() / 2;
  forEachChunk(features, (rows, first) => {
    const target = labels.narrow(0, first, rows.shape[0] ?? 0).unsqueeze(1); // [c, 1]
    const logProbability = rows.matmul(map).add(bias).logSoftmax(1); // [c, L]
    value -= logProbability.gather(1, target).sum().item() / total;
    const excess = logProbability.exp();
    excess.sub_(zeros(excess.shape, { dtype: 'float64' }).scatter_(1, target, 1)); // softmax - onehot
    mapGradient.add_(rows.t().matmul(excess).div(total));
    biasGradient.add_(excess.sum([0], true).div(total));
  });
  return { value, gradient: flattenModel(basis.t().matmul(mapGradient).add(penalized), biasGradient) };
}

/** Calls `visit` with float64 rows in order, each in a scope. */
function forEachChunk(features: Tensor, visit: (rows: Tensor, first: number) => void): void {
  const total = features.shape[0] ?? 0;
  for (let first = 0; first < total; first += CHUNK_ROWS) {
    scope(() => visit(features.narrow(0, first, Math.min(CHUNK_ROWS, total - first)).to('float64'), first));
  }
}

function flattenModel(weight: Tensor, bias: Tensor): Tensor {
  return cat([weight.flatten(), bias.flatten()]);
}

function unflatten(point: Tensor, numFeatures: number, numClasses: number): { weight: Tensor; bias: Tensor } {
  return {
    weight: point.narrow(0, 0, numFeatures * numClasses).reshape([numFeatures, numClasses]),
    bias: point.narrow(0, numFeatures * numClasses, numClasses).reshape([1, numClasses]),
  };
}
