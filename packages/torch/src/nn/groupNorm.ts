// Group normalisation: independent of the batch. B images, C channels.

import { full } from '../creation.js';
import * as torch from '../ops.gen.js';
import type { Tensor } from '../tensor.js';
import { type ForwardContext, Module } from './module.js';
import { normInput } from './normInput.js';
import { Parameter } from './parameter.js';

export interface GroupNormOptions {
  readonly eps?: number; // 1e-5
  readonly affine?: boolean; // whether there are weight and bias; true
}

/**
 * (x - mean) / sqrt(var + eps) * weight + bias with mean and biased variance of each image's group of channels, statistics in f32. One
 * group is layer normalisation of the whole image, C groups are instance normalisation.
 */
export class GroupNorm extends Module {
  readonly weight: Parameter | undefined; // [C]
  readonly bias: Parameter | undefined; // [C]
  readonly numGroups: number;
  readonly eps: number;

  /** Throws Error unless the channels are a multiple of the groups. */
  constructor(numGroups: number, numChannels: number, { eps = 1e-5, affine = true }: GroupNormOptions = {}) {
    super();
    if (!(numGroups >= 1) || numChannels % numGroups !== 0) {
      throw new Error(`GroupNorm: channels must be a multiple of the groups, got ${numChannels} and ${numGroups}`);
    }
    this.weight = affine ? new Parameter(full([numChannels], 1)) : undefined;
    this.bias = affine ? new Parameter(full([numChannels], 0)) : undefined;
    this.numGroups = numGroups;
    this.eps = eps;
  }

  /** [B, C, ...] in f32 or the compute dtype to the same shape in the compute dtype. Throws ShapeError for other channels. */
  forward(x: Tensor, { computeDtype }: ForwardContext): Tensor {
    return torch.groupNorm(normInput(x), this.numGroups, this.weight, this.bias, this.eps).to(computeDtype);
  }
}
