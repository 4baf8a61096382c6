/** How layers and functions are compared with the values of fixtures/nn.py. Not a test itself. */
import { expect } from 'vitest';
import { type Tensor, generator, grad, isFloatingPoint } from '../index.js';
import { Fixture } from '../testing/fixture.case.js';
import { expectClose } from '../testing/index.js';
import type { ForwardContext, Module } from './index.js';

export const fixture = new Fixture('nn');
export const computeDtypes = ['float32', 'bfloat16'] as const;
type ComputeDtype = ForwardContext['computeDtype'];

export function contextOf(computeDtype: ComputeDtype = 'float32', train = false): ForwardContext {
  return { train, rng: generator(5), computeDtype };
}

/** f32: another order of sums. bf16: every product and sum of the way is rounded to 8 bits, so the error goes with the largest value. */
export function expectNear(actual: Tensor | undefined, key: string, dtype: ComputeDtype = 'float32'): void {
  const expected = fixture.get(key);
  const largest = expected.abs().max().item();
  const tolerance = dtype === 'float32' ? { atol: 2e-6 * largest } : { rtol: 2e-2, atol: 2e-2 * largest };
  if (actual === undefined) throw new Error(`${key}: no gradient`);
  expectClose(actual.to('float32'), expected, { what: `${key} in ${dtype}`, ...tolerance });
}

/** The inputs of a case; floats as new leaves. */
export function inputsOf(name: string): Tensor[] {
  const entries = fixture.below(`${name}/`);
  const inputs = ['x', 'x1', 'x2'].flatMap((key) => entries.get(key) ?? []);
  return inputs.map((input) => (isFloatingPoint(input.dtype) ? input.clone().requiresGrad_() : input));
}

/** Loads the weights of a case, whose names are those of PyTorch's state_dict: none may be missing or too many. */
export function loadWeights(module: Module, name: string): void {
  expect(module.loadStateDict(fixture.below(`${name}/w/`))).toEqual({ missing: [], unexpected: [] });
}

/** Compares the output, and the gradients of inputs and parameters. */
export function expectParity(
  name: string,
  module: Module,
  inputs: readonly Tensor[],
  output: Tensor,
  dtype: ComputeDtype = 'float32',
): void {
  const named = module.namedParameters();
  const floats = inputs.filter((input) => input.requiresGrad);
  const probe = fixture.get(`${name}/probe`);
  const gradients = grad([output.to('float32').mul(probe).sum()], [...floats, ...module.parameters()]);
  expectNear(output, `${name}/y`, dtype);
  floats.forEach((_, i) => expectNear(gradients[i], `${name}/gx${i || ''}`, dtype));
  named.forEach(([parameter], i) => {
    const gradient = gradients[floats.length + i];
    expect(gradient?.dtype).toBe('float32');
    expectNear(gradient, `${name}/gw/${parameter}`, dtype);
  });
}
