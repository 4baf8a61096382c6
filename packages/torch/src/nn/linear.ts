// The linear layer, and PyTorch's default initialisation that convolutions share.

import * as torch from '../ops.gen.js';
import type { Generator } from '../generator.js';
import type { Tensor } from '../tensor.js';
import { fanIn, kaimingUniform_, uniform_ } from './init.js';
import { type ForwardContext, Module } from './module.js';
import { Parameter } from './parameter.js';

/** y = x W^T + b. Initialised as PyTorch's: weight and bias U(-1 / sqrt(in), 1 / sqrt(in)). */
export class Linear extends Module {
  readonly weight: Parameter; // [out, in]
  readonly bias: Parameter | undefined; // [out]

  constructor(inDim: number, outDim: number, rng: Generator, { bias = true }: { readonly bias?: boolean } = {}) {
    super();
    this.weight = defaultWeight([outDim, inDim], rng);
    this.bias = bias ? defaultBias(this.weight, outDim, rng) : undefined;
  }

  /** [..., in] to [..., out] in the compute dtype. */
  forward(x: Tensor, { computeDtype }: ForwardContext): Tensor {
    return torch.linear(x.to(computeDtype), this.weight.to(computeDtype), this.bias?.to(computeDtype));
  }
}

/** PyTorch's default weight [out, in, ...kernel] of linear and convolution layers: U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)). */
export function defaultWeight(shape: readonly number[], rng: Generator): Parameter {
  return kaimingUniform_(new Parameter(torch.empty(shape)), Math.sqrt(5), rng);
}

/** PyTorch's default bias of linear and convolution layers: U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)). */
export function defaultBias(weight: Tensor, length: number, rng: Generator): Parameter {
  const bound = 1 / Math.sqrt(fanIn(weight));
  return uniform_(new Parameter(torch.empty([length])), -bound, bound, rng);
}
