// PyTorch's initialisers, with the generator as an argument. Each fills its tensor in place and returns it; the same seed gives the
// values of torch 2.15. Source of formulas: torch/nn/init.py.

import { noGrad } from '../autograd.js';
import type { Generator } from '../generator.js';
import * as torch from '../ops.gen.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';

/** U[low, high). */
export function uniform_<T extends Tensor>(tensor: T, low: number, high: number, rng: Generator): T {
  return filled(tensor, () => tensor.uniform_(low, high, { generator: rng }));
}

/** N(0, std^2). */
export function normal_<T extends Tensor>(tensor: T, std: number, rng: Generator): T {
  return filled(tensor, () => tensor.normal_(0, std, { generator: rng }));
}

/** Every element the same. */
export function constant_<T extends Tensor>(tensor: T, value: number): T {
  return filled(tensor, () => tensor.fill_(value));
}

// Absolute, as PyTorch's defaults: with the usual std of 0.02 nothing is cut.
const TRUNCATION = 2;

/**
 * N(0, std^2) cut to [-2, 2] by drawing again what lies outside. PyTorch draws so since 2.15; until 2.14 it inverted the distribution
 * function, which gives other values for a seed, and -2 in the place of one in 2^24 values.
 * @param std at most 5, where three of ten draws are inside
 * Throws RangeError for another std.
 */
export function truncNormal_<T extends Tensor>(tensor: T, std: number, rng: Generator): T {
  if (!(std >= 0 && std <= 5)) throw new RangeError(`truncNormal_: std must be in [0, 5], got ${std}`);
  return filled(tensor, () => {
    tensor.normal_(0, std, { generator: rng });
    for (;;) {
      const outside = tensor.abs().gt(TRUNCATION);
      if (outside.any().item() === 0) return;
      const drawn = torch.emptyLike(tensor).normal_(0, std, { generator: rng });
      tensor.copy_(torch.where(outside, drawn, tensor));
    }
  });
}

/**
 * U(-b, b) with b = sqrt(6 / ((1 + a^2) fan_in)). PyTorch's Linear and Conv layers use a = sqrt(5), which is b = 1 / sqrt(fan_in).
 * @param tensor weight [out, in, ...kernel]; fan_in is in times the kernel's elements
 */
export function kaimingUniform_<T extends Tensor>(tensor: T, a: number, rng: Generator): T {
  const bound = Math.sqrt(6 / ((1 + a * a) * fanIn(tensor)));
  return uniform_(tensor, -bound, bound, rng);
}

/**
 * N(0, s^2) with s = sqrt(2 / ((1 + a^2) fan)): what layers before a ReLU (a = 0) or a leaky one of slope a start with.
 * @param fan `in` keeps the variance forward; `out`, outputs times the kernel's elements, backward, as in torchvision's ResNets
 */
export function kaimingNormal_<T extends Tensor>(tensor: T, a: number, fan: 'in' | 'out', rng: Generator): T {
  const count = fan === 'in' ? fanIn(tensor) : fanOut(tensor);
  return normal_(tensor, Math.sqrt(2 / ((1 + a * a) * count)), rng);
}

/** U(-b, b) with b = sqrt(6 / (fan_in + fan_out)). @param tensor weight [out, in, ...kernel] */
export function xavierUniform_<T extends Tensor>(tensor: T, rng: Generator): T {
  const bound = Math.sqrt(6 / (fanIn(tensor) + fanOut(tensor)));
  return uniform_(tensor, -bound, bound, rng);
}

/** Inputs that one output of a weight [out, in, ...kernel] sums over. */
export function fanIn(weight: Tensor): number {
  return elements(weight.shape.slice(1));
}

/** Outputs that one input of a weight [out, in, ...kernel] goes to. */
function fanOut(weight: Tensor): number {
  const [out = 1, , ...kernel] = weight.shape;
  return out * elements(kernel);
}

function elements(sizes: readonly number[]): number {
  return sizes.reduce((product, size) => product * size, 1);
}

function filled<T extends Tensor>(tensor: T, fill: () => unknown): T {
  scope(() =>
    noGrad(() => {
      fill();
    }),
  );
  return tensor;
}
