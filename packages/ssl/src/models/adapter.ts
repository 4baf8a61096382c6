/**
 * The adapter between backbone and objective: one linear map of every token to the d features that are split into an
 * invariant and an equivariant part. It is exported with the backbone (the paper's "linear head": docs/open-points.md, 1).
 *
 * B images, N patches, D width of the encoder, d features.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { init, Linear, Module } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import type { Tokens } from './encoder.js';

/** Class token and patch tokens after the adapter, in the compute dtype. */
export interface AdaptedTokens {
  readonly cls: Tensor; // [B, d]
  readonly patches: Tensor; // [B, N, d]
}

export class Adapter extends Module {
  /** Absent where the split is not the adapter's: the features are the encoder's own then, d = D. */
  readonly proj: Linear | undefined;

  constructor(widthDim: number, { location, dim }: Pick<Config['split'], 'location' | 'dim'>, rng: Generator) {
    super();
    if (location !== 'adapter') return;
    const proj = new Linear(widthDim, dim, rng);
    torch.noGrad(() => {
      init.truncNormal_(proj.weight, 0.02, rng); // as the encoder's linear layers
      proj.bias?.zero_();
    });
    this.proj = proj;
  }

  /** Registers are dropped: no objective reads them. */
  forward({ cls, patches }: Tokens, ctx: ForwardContext): AdaptedTokens {
    return this.proj
      ? { cls: this.proj.forward(cls, ctx), patches: this.proj.forward(patches, ctx) }
      : { cls, patches };
  }
}
