/**
 * How the equivariant features of two views become one input of the decoders.
 *
 * B images, N patches, E equivariant features.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { Module } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import { CrossAttention } from './crossAttention.js';

export interface FusionConfig extends Pick<Config['recon'], 'concat' | 'attentionHeads'> {
  readonly equivariantDim: number; // E
}

/** Two of [B, N, E] to the features that a decoder of the same `concat` takes. */
export interface Fusion extends Module {
  forward(first: Tensor, second: Tensor, ctx: ForwardContext): Tensor;
}

/**
 * The one switch over `recon.concat`. `feature`: tokens are paired by index, [B, N, 2E]. `token`: one sequence after the other,
 * [B, 2N, E]. `cross_attention`: the first view's tokens after they have looked at the second's, [B, N, E].
 */
export function createFusion({ concat, attentionHeads, equivariantDim }: FusionConfig, rng: Generator): Fusion {
  switch (concat) {
    case 'feature':
      return new Concatenation(2);
    case 'token':
      return new Concatenation(1);
    case 'cross_attention':
      return new CrossAttention(equivariantDim, attentionHeads, rng);
    default:
      return concat satisfies never;
  }
}

/** [first ; second] on an axis. */
class Concatenation extends Module implements Fusion {
  readonly axis: number;

  constructor(axis: number) {
    super();
    this.axis = axis;
  }

  forward(first: Tensor, second: Tensor): Tensor {
    return torch.cat([first, second], this.axis);
  }
}
