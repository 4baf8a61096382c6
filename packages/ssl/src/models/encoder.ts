/**
 * What every encoder is to the rest of the program: images in, tokens out. One input type, one output type.
 *
 * B images, N patches, R registers, D width.
 */
import type { Tensor } from '@halfway/torch';
import type { Module } from '@halfway/torch/nn';
import type { EncoderContext } from './checkpointTape.js';

/** Tokens of a batch after the encoder's final norm, in the compute dtype. */
export interface Tokens {
  readonly cls: Tensor; // [B, D]
  readonly registers: Tensor; // [B, R, D], R may be 0
  readonly patches: Tensor; // [B, N, D], row-major over the grid
}

/** An encoder of square images. */
export interface Encoder extends Module {
  readonly widthDim: number;
  readonly gridPatches: number; // patches along one side of an image of the configured size
  readonly patchPx: number; // side of the square that a patch token stands for
  /** Whether the images of a training batch change each other's tokens, by the statistics that they share. */
  readonly hasBatchNorm: boolean;
  /**
   * Normalised images f32 [B, 3, S, S] to tokens.
   * @param mask bool [B, N], row-major over the grid: patches that the encoder does not see; only for encoders made with a mask token
   */
  forward(images: Tensor, ctx: EncoderContext, mask?: Tensor): Tokens;
}
