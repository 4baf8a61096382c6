// Activations as modules and functions. Those without state elsewhere are methods of Tensor.

import type { Tensor } from '../tensor.js';
import { type ForwardContext, Module } from './module.js';

/** x Phi(x) with the normal distribution function Phi, exact (erf) and not the tanh approximation, as in every ViT here. */
export class Gelu extends Module {
  /** Any shape, in the dtype of x. */
  forward(x: Tensor, _ctx: ForwardContext): Tensor {
    return x.gelu();
  }
}

/** max(x, 0), any shape, in the dtype of x. */
export function relu(x: Tensor): Tensor {
  return x.relu();
}
