// Layer normalisation over the last dimension. D features.

import { full } from '../creation.js';
import * as torch from '../ops.gen.js';
import type { Tensor } from '../tensor.js';
import { type ForwardContext, Module } from './module.js';
import { Parameter } from './parameter.js';

/** (x - mean) / sqrt(var + eps) * weight + bias over the last dimension, biased variance, statistics in f32. */
export class LayerNorm extends Module {
  readonly weight: Parameter; // [D]
  readonly bias: Parameter; // [D]
  readonly eps: number;

  /** @param eps PyTorch's default is 1e-5; vision transformers use 1e-6 */
  constructor(dim: number, { eps = 1e-5 }: { readonly eps?: number } = {}) {
    super();
    this.weight = new Parameter(full([dim], 1));
    this.bias = new Parameter(full([dim], 0));
    this.eps = eps;
  }

  /** [..., D] in f32 or the compute dtype to [..., D] in the compute dtype. */
  forward(x: Tensor, { computeDtype }: ForwardContext): Tensor {
    // The CPU kernel takes bf16 values with f32 weights; others want one dtype.
    const values = x.device === 'cpu' ? x : x.to('float32');
    const { shape } = this.weight;
    return torch.nativeLayerNorm(values, shape, this.weight, this.bias, this.eps)[0].to(computeDtype);
  }
}
