/**
 * The adapter between backbone and objective: one linear map of every token to the d features that are split into an
 * invariant and an equivariant part. It is exported with the backbone (recipes: the paper's "linear head").
 *
 * B images, N patches, D width of the encoder, d features.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { init, Linear, Module } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';
import type { Tokens } from './encoder.js';

/** Class token and patch tokens after the adapter, in the compute dtype. */
export interface AdaptedTokens {
  readonly cls: Tensor; // [B, d]
  readonly patches: Tensor; // [B, N, d]
}

export class Adapter extends Module {
  readonly proj: Linear;

  constructor(widthDim: number, featureDim: number, rng: Generator) {
    super();
    this.proj = new Linear(widthDim, featureDim, rng);
    torch.noGrad(() => {
      init.truncNormal_(this.proj.weight, 0.02, rng); // as the encoder's linear layers
      this.proj.bias?.zero_();
    });
  }

  /** Registers are dropped: no objective reads them. */
  forward(tokens: Tokens, ctx: ForwardContext): AdaptedTokens {
    return { cls: this.proj.forward(tokens.cls, ctx), patches: this.proj.forward(tokens.patches, ctx) };
  }
}
