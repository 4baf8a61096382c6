// Multi-head attention of one sequence to itself or to another, with the parameters of PyTorch's MultiheadAttention.
//
// B images, T tokens that ask, S tokens that are asked, D width, H heads, E head dim.

import { full } from '../creation.js';
import * as torch from '../ops.gen.js';
import type { Generator } from '../generator.js';
import type { Tensor } from '../tensor.js';
import { attend, expectHeads } from './attend.js';
import { constant_, xavierUniform_ } from './init.js';
import { Linear } from './linear.js';
import { type ForwardContext, Module } from './module.js';
import { Parameter } from './parameter.js';

export interface MultiheadAttentionConfig {
  readonly dim: number; // D
  readonly numHeads: number; // H; D must be a multiple
  readonly bias?: boolean; // true
  readonly dropout?: number; // share of the attention weights that is zero in training; 0
}

/** What a sequence attends to, and where it may not look. */
export interface AttentionInputs {
  readonly key?: Tensor; // [B, S, D]; the query
  readonly value?: Tensor; // [B, S, D]; the key
  /** Broadcasts to [B, H, T, S]: bool, true where a token must not look, as PyTorch's; or numbers that are added to the scores. */
  readonly attnMask?: Tensor;
  /** Bool [B, S]: true for tokens that nobody looks at. */
  readonly keyPaddingMask?: Tensor;
}

/**
 * softmax(q k^T / sqrt(E) + mask) v for each head, between linear maps. Initialised as PyTorch's: the three input maps, which are one
 * matrix, by xavierUniform_, the output's as Linear, biases zero. Deviates from PyTorch: batches come first ([B, T, D], its
 * `batch_first=True`), the weights are not returned, and a token that may look nowhere gets zeros before the output map.
 */
export class MultiheadAttention extends Module {
  readonly inProjWeight: Parameter; // [3 D, D]: of q, then k, then v
  readonly inProjBias: Parameter | undefined; // [3 D]
  readonly outProj: Linear;
  readonly numHeads: number;
  readonly dropout: number;

  /** Throws Error unless dim is a multiple of numHeads. */
  constructor({ dim, numHeads, bias = true, dropout = 0 }: MultiheadAttentionConfig, rng: Generator) {
    super();
    expectHeads('MultiheadAttention', dim, numHeads);
    // In PyTorch's order, so that a seed gives its values: the output map is drawn whole, its bias too, which is zero after.
    this.outProj = new Linear(dim, dim, rng, { bias });
    this.inProjWeight = xavierUniform_(new Parameter(torch.empty([3 * dim, dim])), rng);
    this.inProjBias = bias ? new Parameter(full([3 * dim], 0)) : undefined;
    if (this.outProj.bias !== undefined) constant_(this.outProj.bias, 0);
    this.numHeads = numHeads;
    this.dropout = dropout;
  }

  /** [B, T, D] to [B, T, D] in the compute dtype. Throws ShapeError when shapes do not fit, RangeError for a dropout outside [0, 1). */
  forward(query: Tensor, ctx: ForwardContext, inputs: AttentionInputs = {}): Tensor {
    const { key = query, value = key } = inputs;
    const [q, k, v] = this.#project(query, key, value, ctx).map((x) =>
      x.unflatten(2, [this.numHeads, -1]).transpose(1, 2),
    ) as [Tensor, Tensor, Tensor]; // [B, H, T or S, E]
    const dropout = { rate: this.dropout, ctx };
    const mixed = attend(q, k, v, { mask: openMask(inputs, ctx), dropout }); // [B, H, T, E]
    return this.outProj.forward(mixed.transpose(1, 2).flatten(2), ctx);
  }

  /** q, k and v: one product for inputs that are the same tensor. */
  #project(query: Tensor, key: Tensor, value: Tensor, { computeDtype }: ForwardContext): Tensor[] {
    const [weight, bias] = [this.inProjWeight.to(computeDtype), this.inProjBias?.to(computeDtype)];
    const dim = this.outProj.weight.shape[0] ?? 0;
    const project = (x: Tensor, first: number, count: number): Tensor[] => {
      const rows = (from: Tensor): Tensor => from.narrow(0, first * dim, count * dim);
      return torch.linear(x.to(computeDtype), rows(weight), bias && rows(bias)).chunk(count, -1);
    };
    if (value !== key) return [query, key, value].flatMap((x, i) => project(x, i, 1));
    return key === query ? project(query, 0, 3) : [...project(query, 0, 1), ...project(key, 1, 2)];
  }
}

/** The masks as one, turned round for `attend`: true where a token may look, or numbers that are added to the scores. */
function openMask({ attnMask, keyPaddingMask }: AttentionInputs, { computeDtype }: ForwardContext): Tensor | undefined {
  const open = keyPaddingMask?.logicalNot().unsqueeze(1).unsqueeze(1); // [B, 1, 1, S]
  if (attnMask === undefined) return open;
  if (attnMask.dtype === 'bool') return open?.logicalAnd(attnMask.logicalNot()) ?? attnMask.logicalNot();
  const added = attnMask.to(computeDtype);
  return open === undefined ? added : torch.where(open, added, Number.NEGATIVE_INFINITY);
}
