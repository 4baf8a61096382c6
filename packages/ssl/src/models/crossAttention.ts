/**
 * Cross-attention of one view's tokens to another's: how the 2024 predecessor of the method (arXiv 2412.03314) blends two views
 * before its decoder. The paper leaves the layout open; ours: the first view asks, the second answers, a residual from the first, then
 * a norm. Discarded after pretraining.
 *
 * B images, N patches, E features.
 */
import type { Generator, Tensor } from '@halfway/torch';
import { LayerNorm, Module, MultiheadAttention } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';

export class CrossAttention extends Module {
  readonly attention: MultiheadAttention;
  readonly norm: LayerNorm;

  /** Throws Error unless E is a multiple of the heads. */
  constructor(featureDim: number, numHeads: number, rng: Generator) {
    super();
    this.attention = new MultiheadAttention({ dim: featureDim, numHeads }, rng);
    this.norm = new LayerNorm(featureDim);
  }

  /** LayerNorm(first + Attention(query first; key and value second)): two of [B, N, E] to [B, N, E] in the compute dtype. */
  forward(first: Tensor, second: Tensor, ctx: ForwardContext): Tensor {
    const answer = this.attention.forward(first, ctx, { key: second });
    return this.norm.forward(first.to(ctx.computeDtype).add(answer), ctx);
  }
}
