// Dropout in its three grains as functions: there is no state but the generator of the context. B images, C channels.
//
// In training every grain is zero with probability `rate`, else scaled by 1 / (1 - rate), so that its mean stays; the scale is rounded to
// the dtype of x. Out of training, or at rate 0, the result is x itself and nothing is drawn. A rate outside [0, 1) is a RangeError.

import { empty } from '../ops.gen.js';
import type { Tensor } from '../tensor.js';
import type { ForwardContext } from './module.js';

/** Dropout of single values, any shape. The same seed drops what PyTorch drops. */
export function dropout(x: Tensor, rate: number, ctx: ForwardContext): Tensor {
  return dropGrains('dropout', x, x.rank, rate, ctx);
}

/** Dropout of whole channels of an image, [B, C, ...]. The same seed drops what PyTorch's dropout2d drops. */
export function dropout2d(x: Tensor, rate: number, ctx: ForwardContext): Tensor {
  return dropGrains('dropout2d', x, 2, rate, ctx);
}

/** Stochastic depth: dropout of a whole image's branch, [B, ...]. Source: timm layers/drop.py (per-sample form). */
export function dropPath(x: Tensor, rate: number, ctx: ForwardContext): Tensor {
  return dropGrains('dropPath', x, 1, rate, ctx);
}

/** One draw for each index of the first `numDims` dimensions. */
function dropGrains(where: string, x: Tensor, numDims: number, rate: number, { train, rng }: ForwardContext): Tensor {
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`${where}: rate must be in [0, 1), got ${rate}`);
  if (!train || rate === 0) return x;
  const shape = x.shape.map((size, i) => (i < numDims ? size : 1));
  const kept = empty(shape, { dtype: x.dtype, device: x.device }).bernoulli_(1 - rate, { generator: rng });
  return x.mul(kept.div(1 - rate));
}
