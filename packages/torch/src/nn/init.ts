// PyTorch's initialisers, with the generator as an argument. Each fills its tensor in place and returns it.
// Source of formulas: torch/nn/init.py.

import { noGrad } from '../autograd.js';
import type { Generator } from '../generator.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';

/** U(low, high). */
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

/**
 * N(0, std^2) cut to [-2, 2] (absolute bounds, as PyTorch's defaults: with std 0.02 nothing is cut), by the inverse of the
 * distribution function: x = std sqrt(2) erfinv(U(2 Phi(-2 / std) - 1, 2 Phi(2 / std) - 1)).
 */
export function truncNormal_<T extends Tensor>(tensor: T, std: number, rng: Generator): T {
  const bound = 2;
  const tail = erf(bound / std / Math.SQRT2);
  return filled(tensor, () =>
    tensor
      .uniform_(-tail, tail, { generator: rng })
      .erfinv_()
      .mul_(std * Math.SQRT2)
      .clamp_(-bound, bound),
  );
}

/**
 * U(-b, b) with b = sqrt(6 / ((1 + a^2) fan_in)). PyTorch's Linear and Conv layers use a = sqrt(5), which is b = 1 / sqrt(fan_in).
 * @param tensor weight [out, in, ...kernel]; fan_in is in times the kernel's elements
 */
export function kaimingUniform_<T extends Tensor>(tensor: T, a: number, rng: Generator): T {
  const bound = Math.sqrt(6 / ((1 + a * a) * fanIn(tensor)));
  return uniform_(tensor, -bound, bound, rng);
}

/** U(-b, b) with b = sqrt(6 / (fan_in + fan_out)). */
export function xavierUniform_<T extends Tensor>(tensor: T, rng: Generator): T {
  const [out = 1, inner = 1] = tensor.shape;
  const bound = Math.sqrt(6 / (fanIn(tensor) + (fanIn(tensor) / inner) * out));
  return uniform_(tensor, -bound, bound, rng);
}

/** Inputs that one output of a weight [out, in, ...kernel] sums over. */
export function fanIn(weight: Tensor): number {
  return weight.shape.slice(1).reduce((product, size) => product * size, 1);
}

function filled<T extends Tensor>(tensor: T, fill: () => unknown): T {
  scope(() =>
    noGrad(() => {
      fill();
    }),
  );
  return tensor;
}

/** erf for x >= 0 to 1e-7 (Abramowitz and Stegun 7.1.26), enough for the tail of a truncation. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * x);
  const polynomial = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  // Below 1 by a float32 step: erfinv(1) is infinite.
  return Math.min(1 - polynomial * Math.exp(-x * x), 1 - 2 ** -24);
}
