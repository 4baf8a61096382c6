/**
 * z-scoring with the statistics of a training part.
 *
 * n rows, D features.
 */
import type { Tensor } from '@halfway/torch';

/** A mean and a deviation for each feature, f32 [1, D]. */
export interface Standard {
  readonly mean: Tensor;
  readonly std: Tensor;
}

/** Mean and deviation of each column of f32 [n, D]; a deviation below 1e-6 of the largest counts as none. */
export function standardOf(features: Tensor): Standard {
  const mean = features.mean([0], true); // [1, D]
  const std = features.sub(mean).square().mean([0], true).sqrt(); // [1, D]
  const floor = std.max().item() * 1e-6;
  return { mean, std: std.maskedFill(std.le(floor), Infinity) };
}

/** (features - mean) / std; columns without deviation become 0. */
export function applyStandard(features: Tensor, standard: Standard): Tensor {
  return features.sub(standard.mean).div(standard.std);
}
