import { full } from '../creation.js';
import { noGrad } from '../autograd.js';
import * as torch from '../ops.gen.js';
import { keep } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { type ForwardContext, Module, Parameter } from './module.js';

/** (x - mean) / sqrt(var + eps) * weight + bias over the last dimension, biased variance, statistics in f32. */
export class LayerNorm extends Module {
  readonly weight: Parameter; // [D]
  readonly bias: Parameter; // [D]
  readonly eps: number;

  constructor(dim: number, { eps = 1e-5 }: { eps?: number } = {}) {
    super();
    this.weight = new Parameter(full([dim], 1));
    this.bias = new Parameter(full([dim], 0));
    this.eps = eps;
  }

  /** [..., D] to [..., D] in the dtype of x; a bfloat16 input keeps its f32 weights (the kernel is mixed). */
  forward(x: Tensor, _ctx: ForwardContext): Tensor {
    return torch.nativeLayerNorm(x, this.weight.shape, this.weight, this.bias, this.eps)[0];
  }
}

/**
 * Batch normalisation of vectors: batch statistics in training, running statistics else. PyTorch's defaults. Without running
 * statistics a forward pass changes nothing, and the batch's own are used always.
 */
export class BatchNorm1d extends Module {
  readonly weight: Parameter; // [D]
  readonly bias: Parameter; // [D]
  readonly runningMean: Tensor | undefined; // [D]
  readonly runningVar: Tensor | undefined; // [D], of the unbiased variance
  readonly numBatchesTracked: Tensor | undefined; // int64 []
  readonly eps: number;
  readonly momentum: number;

  constructor(
    dim: number,
    {
      eps = 1e-5,
      momentum = 0.1,
      trackRunningStats = true,
    }: { eps?: number; momentum?: number; trackRunningStats?: boolean } = {},
  ) {
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

  /** f32 [B, D] to f32 [B, D]. In training B must be at least 2, and the running statistics are updated. */
  forward(x: Tensor, { train }: ForwardContext): Tensor {
    if (train) noGrad(() => this.numBatchesTracked?.add_(1));
    const { weight, bias, runningMean, runningVar, momentum, eps } = this;
    const useBatch = train || runningMean === undefined;
    return torch.nativeBatchNorm(x.to('float32'), weight, bias, runningMean, runningVar, useBatch, momentum, eps)[0];
  }
}
