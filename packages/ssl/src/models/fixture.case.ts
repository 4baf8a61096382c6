/** Reading of golden tensors and their comparison, for tests of models and objectives. Not a test itself. */
import { fileURLToPath } from 'node:url';
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { loadSafetensors } from '@halfway/torch/io';
import type { ForwardContext, Module } from '@halfway/torch/nn';
import { expect } from 'vitest';
import { zip } from '../pairs.js';

/** Tensors of `fixtures/<topic>.safetensors` by key. */
export class Fixture {
  readonly #tensors: ReadonlyMap<string, Tensor>;

  constructor(topic: string) {
    const path = fileURLToPath(new URL(`../../../../fixtures/${topic}.safetensors`, import.meta.url));
    this.#tensors = loadSafetensors(path).tensors;
  }

  /** Throws Error when the fixture has no such key. */
  get(key: string): Tensor {
    const found = this.#tensors.get(key);
    if (!found) throw new Error(`fixture: no tensor ${key}; run the script beside it again`);
    return found;
  }

  /** A fresh leaf that wants a gradient. */
  leaf(key: string): Tensor {
    return this.get(key).clone().requiresGrad_();
  }

  /** Entries below a prefix, by the rest of their name. */
  below(prefix: string): Map<string, Tensor> {
    const found = [...this.#tensors].filter(([key]) => key.startsWith(prefix));
    return new Map(found.map(([key, tensor]) => [key.slice(prefix.length), tensor]));
  }
}

/** A context without randomness. */
export function evalContext(computeDtype: ForwardContext['computeDtype'] = 'float32', train = false): ForwardContext {
  return { train, rng: torch.generator(0), computeDtype };
}

/** Largest difference over the largest expected value. */
export function relativeError(actual: Tensor, expected: Tensor): number {
  expect(actual.shape).toEqual(expected.shape);
  return torch.noGrad(() => {
    const want = expected.to('float64');
    const scale = Math.max(want.abs().max().item(), 1e-12);
    return actual.detach().to('float64').sub(want).abs().max().item() / scale;
  });
}

/** f32 arithmetic in another order: 1e-5 of the largest value. */
export function expectClose(actual: Tensor | undefined, expected: Tensor, what: string, tolerance = 1e-5): void {
  if (!actual) throw new Error(`${what}: missing`);
  expect(relativeError(actual, expected), what).toBeLessThan(tolerance);
}

/** Loads the weights of a case into a module; every name has to fit. */
export function loadWeights(module: Module, weights: Map<string, Tensor>): void {
  expect(module.loadStateDict(weights)).toEqual({ missing: [], unexpected: [] });
}

/** The value, which the test knows to be there. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the test expected a value here');
  return value;
}

/** A named number of an output; throws Error when it is missing. */
export function valueOf(values: Readonly<Record<string, Tensor>>, name: string): number {
  const found = values[name];
  if (!found) throw new Error(`no ${name} among ${Object.keys(values).join(', ')}`);
  return found.item();
}

/**
 * Compares the gradient of `loss` at f64 `inputs` with central differences along one random direction.
 * 1e-6 relative: h = 1e-5 leaves a truncation error of order h^2 and rounding of order 1e-16 / h.
 */
export function expectGradient(loss: (inputs: Tensor[]) => Tensor, inputs: readonly Tensor[], seed = 3): void {
  const generator = torch.generator(seed);
  const leaves = inputs.map((x) => x.detach().clone().requiresGrad_());
  const gradients = torch.grad([loss(leaves)], leaves);
  const directions = inputs.map((x) => torch.randn([...x.shape], { generator, dtype: 'float64' }));
  const stepSize = 1e-5;
  const at = (side: number): number =>
    torch.noGrad(() => loss(zip(inputs, directions).map(([x, d]) => x.add(d.mul(side * stepSize)))).item());
  const numeric = (at(1) - at(-1)) / (2 * stepSize);
  const analytic = zip(gradients, directions).reduce((sum, [g, d]) => sum + (g ? g.mul(d).sum().item() : 0), 0);
  expect(Math.abs(numeric - analytic) / Math.max(Math.abs(numeric), 1e-8)).toBeLessThan(1e-6);
}
