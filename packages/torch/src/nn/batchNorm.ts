// Batch normalisation of vectors and of maps. B images, D channels, L positions, H and W pixels.

import { noGrad } from '../autograd.js';
import { full } from '../creation.js';
import { ShapeError } from '../errors.js';
import * as torch from '../ops.gen.js';
import { keep, scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { type ForwardContext, Module } from './module.js';
import { normInput } from './normInput.js';
import { Parameter } from './parameter.js';

export interface BatchNormOptions {
  readonly eps?: number; // 1e-5
  readonly momentum?: number; // weight of the new batch in the running statistics; 0.1
  readonly affine?: boolean; // whether there are weight and bias; true
  readonly trackRunningStats?: boolean; // true
}

interface Kind {
  readonly name: string;
  /** The input's dimensions after B and D, by name: the shapes it takes. */
  readonly layouts: readonly (readonly string[])[];
}

/**
 * (x - mean) / sqrt(var + eps) * weight + bias for each channel, with mean and biased variance of the batch in training and the running
 * ones else. Without running statistics a forward pass changes nothing, and the batch's own are used always. Source: PyTorch.
 */
abstract class BatchNorm extends Module {
  readonly weight: Parameter | undefined; // [D]
  readonly bias: Parameter | undefined; // [D]
  readonly runningMean: Tensor | undefined; // [D]
  readonly runningVar: Tensor | undefined; // [D], of the unbiased variance
  readonly numBatchesTracked: Tensor | undefined; // int64 []
  readonly dim: number;
  readonly eps: number;
  readonly momentum: number;
  readonly #kind: Kind;

  protected constructor(kind: Kind, dim: number, options: BatchNormOptions) {
    super();
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options;
    if (affine) {
      this.weight = new Parameter(full([dim], 1));
      this.bias = new Parameter(full([dim], 0));
    }
    if (trackRunningStats) {
      this.runningMean = keep(full([dim], 0));
      this.runningVar = keep(full([dim], 1));
      this.numBatchesTracked = keep(full([], 0, { dtype: 'int64' }));
    }
    this.dim = dim;
    this.eps = eps;
    this.momentum = momentum;
    this.#kind = kind;
  }

  /**
   * In f32 or the compute dtype to the same shape in the compute dtype; statistics are f32, of the values as they come. Training updates
   * the running statistics, with those of a batch that is not finite too.
   * Throws ShapeError for another shape, and when the batch's own statistics are needed and a channel has one value.
   */
  forward(x: Tensor, { train, computeDtype }: ForwardContext): Tensor {
    const { weight, bias, runningMean, runningVar, momentum, eps } = this;
    const usesBatch = train || runningMean === undefined;
    this.#expectShape(x, usesBatch);
    if (train) scope(() => void noGrad(() => this.numBatchesTracked?.add_(1)));
    const values = normInput(x);
    // Without cuDNN: on a GPU too by PyTorch's own kernels, which are those that were seen to work (docs/torch/devices.md).
    return torch
      .batchNorm(values, weight, bias, runningMean, runningVar, usesBatch, momentum, eps, false)
      .to(computeDtype);
  }

  #expectShape(x: Tensor, usesBatch: boolean): void {
    const { name, layouts } = this.#kind;
    const hasLayout = layouts.some((rest) => x.rank === rest.length + 2) && x.shape[1] === this.dim;
    if (hasLayout && !(usesBatch && x.numel <= this.dim)) return;
    const wanted = layouts.map((rest) => `[${['B', this.dim, ...rest].join(', ')}]`).join(' or ');
    const several = usesBatch ? ' with at least 2 values a channel' : '';
    throw new ShapeError(`${name}: the input must be ${wanted}${several}, got [${x.shape.join(', ')}]`);
  }
}

/** Batch normalisation of [B, D] or [B, D, L]. */
export class BatchNorm1d extends BatchNorm {
  constructor(dim: number, options: BatchNormOptions = {}) {
    super({ name: 'BatchNorm1d', layouts: [[], ['L']] }, dim, options);
  }
}

/** Batch normalisation of [B, D, H, W]. */
export class BatchNorm2d extends BatchNorm {
  constructor(dim: number, options: BatchNormOptions = {}) {
    super({ name: 'BatchNorm2d', layouts: [['H', 'W']] }, dim, options);
  }
}
