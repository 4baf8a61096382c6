// Stochastic depth as a function: it has no state but the generator of the context. B images.

import { empty } from '../ops.gen.js';
import type { Tensor } from '../tensor.js';
import type { ForwardContext } from './module.js';

/**
 * Stochastic depth: in training each image's branch is zero with probability `rate`, else scaled by 1 / (1 - rate), so that its mean
 * stays. Out of training, or at rate 0, x itself; nothing is drawn then.
 * @param x [B, ...], the branch; the scale is rounded to its dtype
 * @param rate in [0, 1)
 * Throws RangeError for another rate. Source: timm layers/drop.py (per-sample form).
 */
export function dropPath(x: Tensor, rate: number, { train, rng }: ForwardContext): Tensor {
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`dropPath: rate must be in [0, 1), got ${rate}`);
  if (!train || rate === 0) return x;
  const shape = x.shape.map((size, i) => (i === 0 ? size : 1));
  const kept = empty(shape, { dtype: x.dtype, device: x.device }).bernoulli_(1 - rate, { generator: rng }); // [B, 1, ...]
  return x.mul(kept.div(1 - rate));
}
