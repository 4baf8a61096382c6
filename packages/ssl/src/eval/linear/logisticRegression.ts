/**
 * Multinomial logistic regression with an L2 penalty, fitted to convergence with L-BFGS in float64.
 *
 * n photos, D features, L classes.
 */
import { argmaxOfRows } from '../argmaxOfRows.js';
import { cat, noGrad, scope, zeros, type Tensor } from '@halfway/torch';
import { lbfgs } from './lbfgs.js';

/** Weights [D, L] and biases [1, L], float64, outside every scope: the caller disposes them. */
export interface LogisticModel {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly iterations: number;
  readonly converged: boolean;
}

/** Rows turned to float64 at a time. */
const CHUNK_ROWS = 16_384;

const MAX_ITERATIONS = 500;
const GRADIENT_TOLERANCE = 1e-6;

/**
 * Minimises mean cross-entropy(x W + b, label) + strength / 2 |W|^2; biases are not penalised.
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
  const numWeights = numFeatures * numClasses;
  return noGrad(() =>
    scope(() => {
      const initial =
        start === undefined
          ? zeros([numWeights + numClasses], { dtype: 'float64' })
          : flattenModel(start.weight, start.bias);
      const { point, iterations, converged } = lbfgs(
        initial,
        (at) => objective(features, labels, unflatten(at, numFeatures, numClasses), strength),
        { maxIterations: MAX_ITERATIONS, gradientTolerance: GRADIENT_TOLERANCE },
      );
      const { weight, bias } = unflatten(point, numFeatures, numClasses);
      const model = { weight: weight.clone(), bias: bias.clone(), iterations, converged };
      point.dispose();
      return model;
    }),
  );
}

/** The most likely class of each row of f32 [n, D]. */
export function predictLogistic(features: Tensor, model: LogisticModel): Int32Array {
  const predicted = new Int32Array(features.shape[0] ?? 0);
  forEachChunk(features, (rows, first) => {
    predicted.set(argmaxOfRows(rows.matmul(model.weight).add(model.bias)), first);
  });
  return predicted;
}

/** Value and closed-form gradient: X^T (softmax - onehot) / n + strength W. */
function objective(
  features: Tensor,
  labels: Tensor,
  { weight, bias }: { readonly weight: Tensor; readonly bias: Tensor },
  strength: number,
): { readonly value: number; readonly gradient: Tensor } {
  const total = features.shape[0] ?? 0;
  const weightGradient = weight.mul(strength); // [D, L]
  const biasGradient = bias.mul(0); // [1, L]
  let value = (strength / 2) * weight.square().sum().item();
  forEachChunk(features, (rows, first) => {
    const target = labels.narrow(0, first, rows.shape[0] ?? 0).unsqueeze(1); // [c, 1]
    const logProbability = rows.matmul(weight).add(bias).logSoftmax(1); // [c, L]
    value -= logProbability.gather(1, target).sum().item() / total;
    const excess = logProbability.exp();
    excess.sub_(zeros(excess.shape, { dtype: 'float64' }).scatter_(1, target, 1)); // softmax - onehot
    weightGradient.add_(rows.t().matmul(excess).div(total));
    biasGradient.add_(excess.sum([0], true).div(total));
  });
  return { value, gradient: flattenModel(weightGradient, biasGradient) };
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
