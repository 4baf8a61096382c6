// Batch normalisation of vectors; of images there is none yet. B images, D features.

import { noGrad } from '../autograd.js';
import { full } from '../creation.js';
import { ShapeError } from '../errors.js';
import * as torch from '../ops.gen.js';
import { keep, scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { type ForwardContext, Module } from './module.js';
import { Parameter } from './parameter.js';

export interface BatchNormOptions {
  readonly eps?: number; // 1e-5
  readonly momentum?: number; // weight of the new batch in the running statistics; 0.1
  readonly trackRunningStats?: boolean; // true
}

/**
 * Batch normalisation of vectors: (x - mean) / sqrt(var + eps) * weight + bias, with mean and biased variance of the batch in training
 * and the running ones else. Without running statistics a forward pass changes nothing, and the batch's own are used always.
 * Source: PyTorch's BatchNorm1d.
 */
export class BatchNorm1d extends Module {
  readonly weight: Parameter; // [D]
  readonly bias: Parameter; // [D]
  readonly runningMean: Tensor | undefined; // [D]
  readonly runningVar: Tensor | undefined; // [D], of the unbiased variance
  readonly numBatchesTracked: Tensor | undefined; // int64 []
  readonly eps: number;
  readonly momentum: number;

  constructor(dim: number, { eps = 1e-5, momentum = 0.1, trackRunningStats = true }: BatchNormOptions = {}) {
    super();
    this.weight = new Parameter(full([dim], 1));
    this.bias = new Parameter(full([dim], 0));
    if (trackRunningStats) {
      this.runningMean = keep(full([dim], 0));
      this.runningVar = keep(full([dim], 1));
      this.numBatchesTracked = keep(full([], 0, { dtype: 'int64' }));
    }
    this.eps = eps;
    this.momentum = momentum;
  }

  /**
   * [B, D] to f32 [B, D], whatever the compute dtype: a batch's statistics are not made of rounded sums. Training updates the running
   * statistics, with those of a batch that is not finite too.
   * Throws ShapeError for another shape, and when the batch's own statistics are needed and B is 1.
   */
  forward(x: Tensor, { train }: ForwardContext): Tensor {
    const { weight, bias, runningMean, runningVar, momentum, eps } = this;
    const usesBatch = train || runningMean === undefined;
    const [batch = 0, dim] = x.shape;
    if (x.rank !== 2 || dim !== weight.numel || (usesBatch && batch < 2)) {
      throw new ShapeError(
        `BatchNorm1d: the input must be [B, ${weight.numel}]${usesBatch ? ' with B of at least 2' : ''}, got [${x.shape.join(', ')}]`,
      );
    }
    if (train) scope(() => void noGrad(() => this.numBatchesTracked?.add_(1)));
    return torch.nativeBatchNorm(x.to('float32'), weight, bias, runningMean, runningVar, usesBatch, momentum, eps)[0];
  }
}
