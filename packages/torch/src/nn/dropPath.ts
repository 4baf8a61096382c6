import { empty } from '../ops.gen.js';
import type { Tensor } from '../tensor.js';
import type { ForwardContext } from './module.js';

/**
 * Stochastic depth: in training each image's branch is zero with probability `rate`, else scaled by 1 / (1 - rate).
 * Source: timm layers/drop.py (per-sample form).
 * @param x [B, ...], the branch
 */
export function dropPath(x: Tensor, rate: number, { train, rng }: ForwardContext): Tensor {
  if (!train || rate === 0) return x;
  const shape = x.shape.map((size, i) => (i === 0 ? size : 1));
  const kept = empty(shape, { dtype: x.dtype }).bernoulli_(1 - rate, { generator: rng });
  return x.mul(kept.div(1 - rate));
}
