// Convolutions over images with square kernels. B images, H and W pixels; no groups, no dilation.

import * as torch from '../ops.gen.js';
import type { Generator } from '../generator.js';
import type { Tensor } from '../tensor.js';
import { defaultBias, defaultWeight } from './linear.js';
import { type ForwardContext, Module } from './module.js';
import type { Parameter } from './parameter.js';

/** A square kernel and how it moves, in pixels. */
export interface ConvConfig {
  readonly kernel: number;
  readonly stride?: number; // 1
  readonly padding?: number; // zeros on each side; 0
  readonly bias?: boolean; // true
}

/** 2-D cross-correlation, PyTorch's initialisation. */
export class Conv2d extends Module {
  readonly weight: Parameter; // [out, in, kernel, kernel]
  readonly bias: Parameter | undefined; // [out]
  readonly config: ConvConfig;

  constructor(inChannels: number, outChannels: number, config: ConvConfig, rng: Generator) {
    super();
    const { kernel, bias = true } = config;
    this.config = config;
    this.weight = defaultWeight([outChannels, inChannels, kernel, kernel], rng);
    this.bias = bias ? defaultBias(this.weight, outChannels, rng) : undefined;
  }

  /** [B, in, H, W] to [B, out, H', W'] in the compute dtype; H' = floor((H + 2 padding - kernel) / stride) + 1. */
  forward(x: Tensor, { computeDtype }: ForwardContext): Tensor {
    const { stride = 1, padding = 0 } = this.config;
    return torch.conv2d(
      x.to(computeDtype),
      this.weight.to(computeDtype),
      this.bias?.to(computeDtype),
      [stride, stride],
      [padding, padding],
    );
  }
}

/** The transpose of a convolution: H' = (H - 1) stride - 2 padding + kernel. PyTorch's initialisation. */
export class ConvTranspose2d extends Module {
  readonly weight: Parameter; // [in, out, kernel, kernel]
  readonly bias: Parameter | undefined; // [out]
  readonly config: ConvConfig;

  constructor(inChannels: number, outChannels: number, config: ConvConfig, rng: Generator) {
    super();
    const { kernel, bias = true } = config;
    this.config = config;
    // PyTorch takes the second dimension as fan_in here too, though it is the output: out * kernel^2.
    this.weight = defaultWeight([inChannels, outChannels, kernel, kernel], rng);
    this.bias = bias ? defaultBias(this.weight, outChannels, rng) : undefined;
  }

  /** [B, in, H, W] to [B, out, H', W'] in the compute dtype. */
  forward(x: Tensor, { computeDtype }: ForwardContext): Tensor {
    const { stride = 1, padding = 0 } = this.config;
    return torch.convTranspose2d(
      x.to(computeDtype),
      this.weight.to(computeDtype),
      this.bias?.to(computeDtype),
      [stride, stride],
      [padding, padding],
    );
  }
}
