// Multi-head self-attention with the parameter names of timm and DINOv2 (`qkv`, `proj`).
//
// B images, T tokens, D width, H heads, E head dim.

import * as torch from '../ops.gen.js';
import type { Generator } from '../generator.js';
import type { Tensor } from '../tensor.js';
import { Linear } from './linear.js';
import { type ForwardContext, Module } from './module.js';

export interface AttentionConfig {
  readonly dim: number; // D
  readonly numHeads: number; // H; D must be a multiple
}

/** softmax(q k^T / sqrt(E)) v for each head, between one linear map to q, k, v and one back. */
export class Attention extends Module {
  readonly qkv: Linear;
  readonly proj: Linear;
  readonly numHeads: number;

  constructor({ dim, numHeads }: AttentionConfig, rng: Generator) {
    super();
    if (dim % numHeads !== 0) {
      throw new Error(`attention: dim must be a multiple of numHeads, got ${dim} and ${numHeads}`);
    }
    this.qkv = new Linear(dim, 3 * dim, rng);
    this.proj = new Linear(dim, dim, rng);
    this.numHeads = numHeads;
  }

  /** [B, T, D] to [B, T, D] in the compute dtype. */
  forward(x: Tensor, ctx: ForwardContext): Tensor {
    const [batch = 0, tokens = 0, dim = 0] = x.shape;
    const heads = this.qkv
      .forward(x, ctx)
      .reshape([batch, tokens, 3, this.numHeads, dim / this.numHeads])
      .permute([2, 0, 3, 1, 4]); // [3, B, H, T, E]
    const [q, k, v] = heads.unbind(0) as [Tensor, Tensor, Tensor];
    const mixed = attend(q, k, v); // [B, H, T, E]
    return this.proj.forward(mixed.transpose(1, 2).reshape([batch, tokens, dim]), ctx);
  }
}

/**
 * softmax(q k^T / sqrt(E)) v with q, k, v [B, H, T, E], as batched matrix products.
 *
 * On CPU this beats libtorch's fused kernel in training (its backward is the slow part) at the price of B H T^2 probabilities in
 * memory; on other devices the fused kernel is taken.
 */
function attend(q: Tensor, k: Tensor, v: Tensor): Tensor {
  if (q.device !== 'cpu') return torch.scaledDotProductAttention(q, k, v);
  const scale = (q.shape.at(-1) ?? 1) ** -0.5;
  return q.mul(scale).matmul(k.transpose(-2, -1)).softmax(-1).matmul(v);
}
