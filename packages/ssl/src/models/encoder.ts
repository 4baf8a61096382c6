/**
 * What every encoder is to the rest of the program: images in, tokens out. One input type, one output type.
 *
 * B images, N patches, R registers, D width.
 */
import type { Tensor } from '@halfway/torch';
import type { ForwardContext, Module } from '@halfway/torch/nn';

/** Tokens of a batch after the encoder's final norm, in the compute dtype. */
export interface Tokens {
  readonly cls: Tensor; // [B, D]
  readonly registers: Tensor; // [B, R, D], R may be 0
  readonly patches: Tensor; // [B, N, D], row-major over the grid
}

/** An encoder of square images. */
export interface Encoder extends Module {
  readonly widthDim: number;
  readonly gridPatches: number; // patches along one side
  /** Normalised images f32 [B, 3, S, S] to tokens. */
  forward(images: Tensor, ctx: ForwardContext): Tokens;
}
