// Every typed operator against PyTorch: outputs and gradients of the calls in fixtures/ops.cases.json, in float32 and bfloat16.
// The stored values are made by fixtures/ops.py, which also says how they are laid out. Where a GPU is, its kernels are compared too.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as torch from './index.js';
import {
  type DType,
  type Device,
  Tensor,
  TorchError,
  generator,
  isFloatingPoint,
  noGrad,
  scope,
  tensor,
} from './index.js';
import { loadSafetensors } from './io/index.js';
import { isNewestLibtorch } from './newestLibtorch.case.js';

interface Case {
  readonly ops: readonly string[];
  readonly in: readonly string[];
  readonly args: readonly unknown[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly more?: Readonly<Record<string, readonly unknown[]>>;
  readonly keep?: readonly number[];
  readonly form?: 'abs';
  readonly noGrad?: boolean;
}

const fixture = (name: string) => fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url));
const { cases } = JSON.parse(readFileSync(fixture('ops.cases.json'), 'utf8')) as { cases: readonly Case[] };
const stored = loadSafetensors(fixture('ops.safetensors')).tensors;
const seed = 7;
const hasGpu = torch.deviceProblem('cuda') === undefined;
if (hasGpu) torch.setConvTf32(false); // the stored values are of float32 itself

/** Relative to the largest magnitude of a call, with the reason; the first pattern that fits counts. */
const tolerances: readonly (readonly [pattern: RegExp, float32: number, bfloat16: number])[] = [
  // LAPACK and FFT libraries differ between machines in the order of their sums.
  [/^(linalg|cholesky|fft|cov|corrcoef)/, 2e-4, 4e-2],
  // Vectorised approximations of 1 to 4 units in the last place, and gradients that divide by small numbers.
  [/^(lgamma|digamma|erfinv|tan|pow|log|rsqrt|reciprocal|acos|asin)/, 3e-5, 4e-2],
  // Everything else: sums of at most 100 products; bfloat16 has 8 bits and some kernels round between their steps.
  [/./, 1e-5, 2e-2],
];

const formula = (count: number, k: number) =>
  Float64Array.from({ length: count }, (_, i) => ((i * 37 + k * 17 + 11) % 101) / 50 - 1);

function makeInput(spec: string, k: number, dtype: DType, device: Device): Tensor {
  const [shapeText = '', kind = ''] = spec.split(' ');
  const shape = shapeText.split(',').filter(Boolean).map(Number);
  const count = shape.reduce((product, size) => product * size, 1);
  const base = formula(count, k);
  if (kind.startsWith('i')) {
    const limit = Number(kind.slice(1));
    return tensor(
      Float64Array.from({ length: count }, (_, i) => (i * 7 + k * 3) % limit),
      { shape, dtype: 'int64', device },
    );
  }
  if (kind === 'b')
    return tensor(
      base.map((value) => Number(value > 0)),
      { shape, dtype: 'bool', device },
    );
  if (kind === 'c') {
    const other = formula(count, k + 1);
    const pairs = Float64Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? base : other)[i >> 1] ?? 0);
    return tensor(pairs, { shape: [...shape, 2], dtype: 'float32', device }).viewAsComplex();
  }
  const size = shape[0] ?? 1;
  const transform: Readonly<Record<string, (value: number, i: number) => number>> = {
    n: (value) => value,
    p: (value) => value + 1.2,
    q: (value) => value + 1.2,
    u: (value) => (value + 1.02) / 2.04,
    l: (_, i) => i / count + 0.1,
    s: (value, i) =>
      (value + (base[(i % size) * size + Math.floor(i / size)] ?? 0)) / 2 + (i % (size + 1) === 0 ? 3 : 0),
  };
  return tensor(base.map(transform[kind] ?? ((value) => value)), { shape, dtype, device });
}

function flat(value: Tensor, form?: 'abs'): number[] {
  const isComplex = value.dtype.startsWith('complex');
  const real = isComplex ? torch.ops.aten.resolve_conj(value).viewAsReal() : value;
  const numbers = real.reshape([-1]).toArray() as number[];
  return form === 'abs' ? numbers.map(Math.abs) : numbers;
}

const camel = (name: string) =>
  name.replace(/^_+/, '').replace(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function replace(argument: unknown, inputs: readonly Tensor[]): unknown {
  if (Array.isArray(argument)) return argument.map((entry: unknown) => replace(entry, inputs));
  if (argument === '$g') return generator(seed);
  return typeof argument === 'string' && argument.startsWith('$') ? inputs[Number(argument.slice(1))] : argument;
}

type AnyFunction = (...operands: readonly unknown[]) => unknown;

/** Calls by the TypeScript name: a method where the first operand has it, else a free function. */
function call(name: string, operands: readonly unknown[]): unknown {
  const [self, ...others] = operands;
  const methods = self instanceof Tensor ? (self as unknown as Record<string, AnyFunction | undefined>) : {};
  if (methods[name] !== undefined) return methods[name](...others);
  const functions = torch as unknown as Record<string, AnyFunction | undefined>;
  return functions[name]?.(...operands);
}

/** Outputs, then gradients of the float inputs of sum(output * weight). */
function run(op: string, item: Case, dtype: DType, device: Device): number[] {
  const [name = ''] = op.split('.');
  const leaves = item.in.map((spec, k) => makeInput(spec, k, dtype, device));
  if (item.noGrad !== true) {
    leaves.forEach((leaf, k) => isFloatingPoint(leaf.dtype) && !item.in[k]?.endsWith('q') && leaf.requiresGrad_());
  }
  const inputs = leaves.map((leaf, k) => (name.endsWith('_') && k === 0 ? leaf.clone() : leaf));
  const operands = replace([...item.args, ...(item.more?.[name] ?? [])], inputs) as unknown[];
  if (item.options !== undefined) {
    operands.push(
      Object.fromEntries(Object.entries(item.options).map(([key, value]) => [camel(key), replace(value, inputs)])),
    );
  }
  const result = call(camel(name), operands);
  const all = Array.isArray(result) ? (result as unknown[]) : [result];
  const outputs = (item.keep ?? [...all.keys()]).flatMap((k) => (k < all.length ? [all[k]] : []));
  const values = outputs.flatMap((output) => (output instanceof Tensor ? flat(output, item.form) : [Number(output)]));
  const terms = outputs.filter((output) => output instanceof Tensor).filter((output) => output.requiresGrad);
  const total = terms.map((output) => {
    const real = output.dtype.startsWith('complex') ? output.viewAsReal() : output;
    const signed = item.form === 'abs' ? real.abs() : real;
    return signed
      .mul(tensor(formula(signed.numel, 97), { shape: signed.shape, dtype: signed.dtype, device: signed.device }))
      .sum();
  });
  if (total.length > 0) {
    total.reduce((sum, term) => sum.add(term)).backward();
    for (const leaf of leaves) if (leaf.grad !== undefined) values.push(...flat(leaf.grad));
  }
  return values;
}

/** Calls that PyTorch changed between 2.11 and 2.15, which made the values. */
const changed: readonly (readonly [op: string, dtype: DType, change: string])[] = [
  ['aminmax', 'float32', 'a gradient'],
  ['aminmax', 'bfloat16', 'a gradient'],
  ['trace', 'bfloat16', 'a kernel'],
  ['rand_like.generator', 'bfloat16', 'other numbers for a seed'],
  ['uniform_', 'bfloat16', 'other numbers for a seed'],
];

/** Whether the libtorch in use gives the stored values of a call. */
const isComparable = (op: string, dtype: DType): boolean =>
  isNewestLibtorch || !changed.some(([name, of]) => name === op && of === dtype);

function tolerance(op: string, dtype: DType): number {
  const [, float32 = 0, bfloat16 = 0] = tolerances.find(([pattern]) => pattern.test(op.replace(/^_/, ''))) ?? [];
  return dtype === 'float32' ? float32 : bfloat16;
}

const usesGenerator = (item: Case): boolean => JSON.stringify([item.args, item.options, item.more]).includes('"$g"');

/** The largest difference, relative to the largest magnitude expected (at least 1). */
function difference(actual: readonly number[], expected: readonly number[]): number {
  const scale = Math.max(1, ...expected.filter(Number.isFinite).map(Math.abs));
  return Math.max(
    0,
    ...expected.map((value, i) => {
      const got = actual[i] ?? Number.NaN;
      return Object.is(got, value) || got === value ? 0 : Math.abs(got - value) / scale;
    }),
  );
}

describe.each(['float32', 'bfloat16'] as const)('typed operators in %s equal PyTorch', (dtype) => {
  const values = Array.from<number | bigint>(stored.get(`${dtype}.values`)?.toTypedArray() ?? []).map(Number);
  const counts = Array.from<number | bigint>(stored.get(`${dtype}.counts`)?.toTypedArray() ?? []).map(Number);
  const calls = cases.flatMap((item) => item.ops.map((op) => ({ op, item })));
  let start = 0;
  const expectations = calls.map(({ op, item }, index) => {
    const count = counts[index] ?? 0;
    const expected = values.slice(start, start + Math.max(0, count));
    start += Math.max(0, count);
    return { op, item, count, expected };
  });

  it('the fixture has one count a call, and no value too many', () => {
    expect(counts.length).toBe(calls.length);
    expect(start).toBe(values.length);
  });

  const compared = expectations.filter(({ op, count }) => count >= 0 && isComparable(op, dtype));
  // A GPU draws other numbers for a seed, and the signs of the columns of Q are a library's choice.
  const isFixed = ({ op, item }: { op: string; item: Case }): boolean => !usesGenerator(item) && op !== 'linalg_qr';
  const comparedOnGpu = hasGpu ? compared.filter(isFixed) : [];
  it.each(comparedOnGpu)('on a GPU: $op $item.in $item.args', ({ op, item, expected }) => {
    const actual = scope(() => run(op, item, dtype, 'cuda'));
    expect(actual.length).toBe(expected.length);
    // CUDA's sampling rounds to bfloat16 between its steps.
    const factor = op.startsWith('grid_sampler') && dtype === 'bfloat16' ? 3 : 1;
    expect(difference(actual, expected)).toBeLessThanOrEqual(factor * tolerance(op, dtype));
  });
  it.each(compared)('$op $item.in $item.args', ({ op, item, expected }) => {
    const actual = scope(() => run(op, item, dtype, 'cpu'));
    expect(actual.length).toBe(expected.length);
    expect(difference(actual, expected)).toBeLessThanOrEqual(tolerance(op, dtype));
  });

  it.each(expectations.filter(({ count }) => count === -1))(
    '$op is refused with a typed error, as in PyTorch',
    ({ op, item }) => {
      expect(() => scope(() => run(op, item, dtype, 'cpu'))).toThrow(TorchError);
    },
  );
});

it('every operator of the allow-list is compared, or has a reason', () => {
  const allowList = JSON.parse(readFileSync(new URL('../gen/ops.json', import.meta.url), 'utf8')) as Record<
    string,
    string[]
  >;
  const compared = new Set(cases.flatMap((item) => item.ops));
  const left = Object.values(allowList)
    .flat()
    .filter((op) => !compared.has(op));
  // Memory as it is found; and draws from libtorch's own generator, which have no generator argument.
  expect(left).toEqual(['empty.memory_format', 'empty_like', 'dropout', 'native_dropout']);
});

it('noGrad gives the values without a graph', () => {
  scope(() => {
    const x = tensor([1, 2], { requiresGrad: true });
    expect(noGrad(() => x.mul(2)).requiresGrad).toBe(false);
  });
});
