// Gradients of autograd against central differences, element by element. Slow by design: for inputs of a few dozen elements.

import { grad, noGrad } from '../autograd.js';
import { copyBytes } from '../creation.js';
import { generator } from '../generator.js';
import { randn } from '../ops.gen.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';

/** How `gradientCheck` compares. */
export interface GradientCheckOptions {
  /** Half the width of the difference. Default 1e-5 for float64, 1e-2 for float32. */
  readonly stepSize?: number;
  /** Largest error as a fraction of the input's largest gradient. Default 1e-6 for float64, 1e-2 for float32. */
  readonly tolerance?: number;
  /** Elements tried for each input, spread evenly over it. Default 64. */
  readonly maxElements?: number;
  /** Seed of the fixed random weights that make one number of the output. */
  readonly seed?: number;
}

type Checked = 'float32' | 'float64';

// Central differences err by h^2 f'''/6 + (rounding of f) / h; these are near the optimum and a decade or more above the error.
const defaults: Readonly<Record<Checked, { stepSize: number; tolerance: number }>> = {
  float64: { stepSize: 1e-5, tolerance: 1e-6 },
  float32: { stepSize: 1e-2, tolerance: 1e-2 },
};

/**
 * Passes when d sum(w fn) / d input, with fixed random weights w, equals (sum(w fn(input + h e)) - sum(w fn(input - h e))) / 2h for the
 * elements e of every input. Inputs are moved in place and restored to the bit, so parameters that `fn` reaches by itself may be among
 * them.
 * @param fn deterministic, gives one tensor; it is called with the inputs
 * @param inputs contiguous float64 or float32 leaves on the CPU, away from points without a derivative
 * Throws Error with input, element, and both values.
 * @example gradientCheck((x, y) => x.matmul(y).softmax(-1), [a, b]);
 * @example gradientCheck(() => layer.forward(x, ctx), [x, ...layer.parameters()]);
 */
export function gradientCheck<const Inputs extends readonly Tensor[]>(
  fn: (...inputs: { [K in keyof Inputs]: Tensor }) => Tensor,
  inputs: Inputs,
  { maxElements = 64, seed = 0, ...options }: GradientCheckOptions = {},
): void {
  scope(() => {
    const call = (): Tensor => fn(...(inputs as { [K in keyof Inputs]: Tensor }));
    const wanted = inputs.map((input) => input.requiresGrad);
    for (const input of inputs) input.requiresGrad_();
    const output = call();
    const weights = randn(output.shape, { generator: generator(seed), dtype: output.dtype });
    const gradients = grad([output.mul(weights).sum()], inputs, { allowUnused: true });
    inputs.forEach((input, k) => input.requiresGrad_(wanted[k]));

    // In numbers of 64 bits, so that a float32 sum adds no rounding of its own.
    const weightValues = Array.from(weights.toTypedArray(), Number);
    const value = (): number => scope(() => noGrad(() => dot(Array.from(call().toTypedArray(), Number), weightValues)));
    if (value() !== value()) throw new Error('gradientCheck: fn must be deterministic, got two values for one input');
    inputs.forEach((input, k) => {
      checkInput(k, input, gradients[k], value, maxElements, { ...defaults[checkedDtype(input)], ...options });
    });
  });
}

function checkInput(
  position: number,
  input: Tensor,
  gradient: Tensor | undefined,
  value: () => number,
  maxElements: number,
  { stepSize, tolerance }: { stepSize: number; tolerance: number },
): void {
  const original = input.toBytes();
  const values = Array.from(input.toTypedArray(), Number);
  const analytic = gradient ? Array.from(gradient.toTypedArray(), Number) : values.map(() => 0);
  const scale = analytic.reduce((largest, entry) => Math.max(largest, Math.abs(entry)), 1e-8);
  const moved = (index: number, by: number): number => {
    const copy = input.dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values);
    copy[index] = (values[index] ?? 0) + by;
    copyBytes(input, new Uint8Array(copy.buffer));
    return value();
  };
  const every = Math.max(1, Math.ceil(values.length / maxElements));
  try {
    for (let index = 0; index < values.length; index += every) {
      const numeric = (moved(index, stepSize) - moved(index, -stepSize)) / (2 * stepSize);
      const exact = analytic[index] ?? Number.NaN;
      if (Math.abs(numeric - exact) <= tolerance * scale) continue;
      throw new Error(
        `gradientCheck: input ${position} of shape [${input.shape.join(', ')}], element ${index}: the gradient must be ` +
          `${numeric.toPrecision(8)} by differences of ${stepSize}, got ${exact.toPrecision(8)} (largest of this input ${scale.toPrecision(3)})`,
      );
    }
  } finally {
    copyBytes(input, original);
  }
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, entry, i) => sum + entry * (b[i] ?? 0), 0);
}

function checkedDtype({ dtype }: Tensor): Checked {
  if (dtype === 'float64' || dtype === 'float32') return dtype;
  throw new Error(`gradientCheck: inputs must be float64 or float32, got ${dtype}; convert them`);
}
