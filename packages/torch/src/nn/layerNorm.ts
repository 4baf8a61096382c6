// Layer normalisation over the last dimensions. D features.

import { full } from '../creation.js';
import * as torch from '../ops.gen.js';
import type { Tensor } from '../tensor.js';
import { type ForwardContext, Module } from './module.js';
import { normInput } from './normInput.js';
import { Parameter } from './parameter.js';

export interface LayerNormOptions {
  readonly eps?: number; // PyTorch's default is 1e-5; vision transformers use 1e-6
  readonly affine?: boolean; // whether there are weight and bias; true
}

/** (x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, biased variance, statistics in f32. */
export class LayerNorm extends Module {
  readonly weight: Parameter | undefined; // [D]
  readonly bias: Parameter | undefined; // [D]
  readonly shape: readonly number[];
  readonly eps: number;

  /** @param shape D, or the sizes of the last dimensions */
  constructor(shape: number | readonly number[], { eps = 1e-5, affine = true }: LayerNormOptions = {}) {
    super();
    this.shape = typeof shape === 'number' ? [shape] : shape;
    this.weight = affine ? new Parameter(full(this.shape, 1)) : undefined;
    this.bias = affine ? new Parameter(full(this.shape, 0)) : undefined;
    this.eps = eps;
  }

  /** [..., D] in f32 or the compute dtype to [..., D] in the compute dtype. Throws ShapeError for another width. */
  forward(x: Tensor, { computeDtype }: ForwardContext): Tensor {
    return torch.nativeLayerNorm(normInput(x), this.shape, this.weight, this.bias, this.eps)[0].to(computeDtype);
  }
}
