// A learned vector for each index.

import * as torch from '../ops.gen.js';
import type { Generator } from '../generator.js';
import { noGrad } from '../autograd.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { normal_ } from './init.js';
import { type ForwardContext, Module } from './module.js';
import { Parameter } from './parameter.js';

/** Rows of a table by index. Initialised as PyTorch's: N(0, 1). */
export class Embedding extends Module {
  readonly weight: Parameter; // [count, D]
  readonly paddingIndex: number | undefined;

  /**
   * @param paddingIndex a row in [0, count) that starts at zero and gets no gradient
   * Throws RangeError for another one.
   */
  constructor(count: number, dim: number, rng: Generator, { paddingIndex }: { readonly paddingIndex?: number } = {}) {
    super();
    if (paddingIndex !== undefined && !(paddingIndex >= 0 && paddingIndex < count)) {
      throw new RangeError(`Embedding: paddingIndex must be in [0, ${count}), got ${paddingIndex}`);
    }
    this.weight = normal_(new Parameter(torch.empty([count, dim])), 1, rng);
    this.paddingIndex = paddingIndex;
    if (paddingIndex !== undefined) scope(() => void noGrad(() => this.weight.select(0, paddingIndex).zero_()));
  }

  /** Indices int64 [...] to [..., D] in the compute dtype. Throws ShapeError for an index outside the table. */
  forward(indices: Tensor, { computeDtype }: ForwardContext): Tensor {
    return torch.embedding(this.weight, indices, this.paddingIndex ?? -1).to(computeDtype);
  }
}
