// Layers one after the other.

import type { Tensor } from '../tensor.js';
import { type ForwardContext, type Layer, Module } from './module.js';

/** A layer, or a function where there is nothing to learn. */
export type SequentialStep = Layer | ((x: Tensor, ctx: ForwardContext) => Tensor);

/**
 * Steps one after the other; names in the state dict are their positions (`0.weight`), functions counted, as in PyTorch.
 * @example new Sequential(new Linear(8, 32, rng), relu, (x, ctx) => dropout(x, 0.1, ctx), new Linear(32, 2, rng))
 */
export class Sequential extends Module {
  readonly #steps: readonly SequentialStep[];

  constructor(...steps: readonly SequentialStep[]) {
    super();
    Object.assign(this, steps); // properties 0, 1, ..., whose names a Module takes
    this.#steps = steps;
  }

  /** What the last step gives; x itself without steps. */
  forward(x: Tensor, ctx: ForwardContext): Tensor {
    return this.#steps.reduce((y, step) => (step instanceof Module ? step.forward(y, ctx) : step(y, ctx)), x);
  }
}
