// Scaled dot-product attention behind one function, which knows the faster way for dtype and device.
//
// B images, T tokens that ask, S tokens that are asked, H heads, E head dim.

import * as torch from '../ops.gen.js';
import type { Tensor } from '../tensor.js';
import { dropout } from './dropout.js';
import type { ForwardContext } from './module.js';

/** Where a token may look; without options everywhere. */
export interface AttendOptions {
  /**
   * Broadcasts to [B, H, T, S]: bool, true where a token may look, or numbers of the inputs' dtype which are added to the scores.
   * A token that may look nowhere gets zeros.
   */
  readonly mask?: Tensor | undefined;
  /** Whether token t looks at tokens 0 to t only; not together with a mask. Default false. */
  readonly isCausal?: boolean;
  /** Dropout of the weights after the softmax, in training and drawn from the context's generator. Default none. */
  readonly dropout?: { readonly rate: number; readonly ctx: ForwardContext } | undefined;
}

/**
 * softmax(q k^T / sqrt(E) + mask) v with q [B, H, T, E] and k, v [B, H, S, E] of one dtype; returns [B, H, T, E].
 * Throws Error for a mask together with `isCausal`, ShapeError when shapes do not fit.
 * @example attend(q, k, v, { isCausal: true });
 *
 * The way is fixed by device and dtype, never by a timing, so that the same build gives the same bits. Measured with
 * PyTorch 2.15 on an AMD EPYC with AVX512-BF16 and no AMX, one thread, processor milliseconds (least of 5 to 40
 * interleaved runs) for forward and backward | forward, E = 64:
 *
 *   T    B    H   float32 fused   float32 products   bfloat16 fused   bfloat16 products
 *   17   128  2    4.9 |  1.2      4.5 |  1.2         18.8 |  1.2       3.1 |  0.9
 *   65   64   6   38.0 | 10.1     47.8 | 14.6        106.3 | 14.3      20.6 |  7.2
 *   197  8    6   29.0 |  8.4     33.8 | 11.3         37.5 |  9.1      15.6 |  5.7
 *   785  2    6   95.1 | 26.1    107.1 | 36.0         98.3 | 29.1      49.2 | 19.1
 *
 * So on the CPU float32 takes the fused kernel (AVX2 gives the same order) and bfloat16 takes products at every length. The price of the
 * products is memory: the probabilities, B H T^2 values, stay until the backward pass (T = 197 above: 21 MiB at the peak, fused 8), and
 * the scores are rounded to bfloat16 before the softmax, as under autocast. Other devices take the fused kernel (not measured). With
 * dropout all take products: fused kernels draw from libtorch's own generator.
 */
export function attend(q: Tensor, k: Tensor, v: Tensor, options: AttendOptions = {}): Tensor {
  const { mask, isCausal = false, dropout } = options;
  if (isCausal && mask !== undefined) throw new Error('attend: takes a mask or isCausal, got both');
  const isDropping = dropout !== undefined && dropout.ctx.train && dropout.rate > 0;
  const byProducts = isDropping || (q.device === 'cpu' && q.dtype === 'bfloat16');
  return byProducts ? attendByProducts(q, k, v, options) : torch.scaledDotProductAttention(q, k, v, mask, 0, isCausal);
}

/** `attend` as two batched matrix products around a softmax; the scale is part of the first (2 to 25 % faster than by itself). */
export function attendByProducts(q: Tensor, k: Tensor, v: Tensor, options: AttendOptions = {}): Tensor {
  const [batch = 0, heads = 0, tokens = 0, headDim = 0] = q.shape;
  const [qFlat, kFlat, vFlat] = [q, k, v].map((x) => x.reshape([batch * heads, -1, headDim])) as [
    Tensor,
    Tensor,
    Tensor,
  ]; // [B * H, T or S, E]
  const nothing = torch.zeros([1, 1, 1], { dtype: q.dtype, device: q.device });
  const scores = nothing.baddbmm(qFlat, kFlat.transpose(1, 2), { beta: 0, alpha: headDim ** -0.5 }); // [B * H, T, S]
  const mask = options.isCausal === true ? causalMask(scores) : options.mask;
  const weights = mask === undefined ? scores.softmax(-1) : maskedSoftmax(scores.unflatten(0, [batch, heads]), mask);
  const kept = options.dropout === undefined ? weights : dropout(weights, options.dropout.rate, options.dropout.ctx);
  return kept.bmm(vFlat).view([batch, heads, tokens, headDim]);
}

/** Bool [T, S] for scores [B * H, T, S]: true on the diagonal and before it. */
function causalMask({ shape: [, tokens = 0, keys = 0], device }: Tensor): Tensor {
  return torch.ones([tokens, keys], { dtype: 'bool', device }).tril();
}

/** softmax(scores + mask) over the last dimension, zeros where every score is minus infinity; [B, H, T, S] to [B * H, T, S]. */
function maskedSoftmax(scores: Tensor, mask: Tensor): Tensor {
  const masked = mask.dtype === 'bool' ? torch.where(mask, scores, Number.NEGATIVE_INFINITY) : scores.add(mask);
  return masked.safeSoftmax(-1).flatten(0, 1);
}

/** Throws Error unless the heads share the width. */
export function expectHeads(where: string, dim: number, numHeads: number): void {
  if (numHeads >= 1 && dim % numHeads === 0) return;
  throw new Error(`${where}: dim must be a multiple of numHeads, got ${dim} and ${numHeads}; change one of them`);
}
