// Multi-head self-attention with the parameter names of timm and DINOv2 (`qkv`, `proj`).
//
// B images, T tokens, D width, H heads, E head dim.

import type { Generator } from '../generator.js';
import type { Tensor } from '../tensor.js';
import { attend, expectHeads } from './attend.js';
import { Linear } from './linear.js';
import { type ForwardContext, Module } from './module.js';

export interface AttentionConfig {
  readonly dim: number; // D
  readonly numHeads: number; // H; D must be a multiple
  readonly isCausal?: boolean; // whether a token looks at those before it and itself only; false
}

/** softmax(q k^T / sqrt(E)) v for each head, between one linear map to q, k, v and one back. Source: DINOv2 layers/attention.py. */
export class Attention extends Module {
  readonly qkv: Linear; // D -> 3D: all of q, then k, then v
  readonly proj: Linear;
  readonly numHeads: number;
  readonly isCausal: boolean;

  /** Throws Error unless dim is a multiple of numHeads. */
  constructor({ dim, numHeads, isCausal = false }: AttentionConfig, rng: Generator) {
    super();
    expectHeads('Attention', dim, numHeads);
    this.qkv = new Linear(dim, 3 * dim, rng);
    this.proj = new Linear(dim, dim, rng);
    this.numHeads = numHeads;
    this.isCausal = isCausal;
  }

  /** [B, T, D] to [B, T, D] in the compute dtype. */
  forward(x: Tensor, ctx: ForwardContext): Tensor {
    const [batch = 0, tokens = 0, dim = 0] = x.shape;
    const heads = this.qkv
      .forward(x, ctx)
      .reshape([batch, tokens, 3, this.numHeads, dim / this.numHeads])
      .permute([2, 0, 3, 1, 4]); // [3, B, H, T, E]
    const [q, k, v] = heads.unbind(0) as [Tensor, Tensor, Tensor];
    const mixed = attend(q, k, v, { isCausal: this.isCausal }); // [B, H, T, E]
    return this.proj.forward(mixed.transpose(1, 2).reshape([batch, tokens, dim]), ctx);
  }
}
