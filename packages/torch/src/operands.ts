// From TypeScript values to what the addon takes (native/arguments.h): numbers, and positions in the list buffer, which holds the
// lists and wrapped numbers of one call. In every function undefined means the schema's default and null means none.

import { isTensor } from './adopt.js';
import { TorchError } from './errors.js';
import type { Generator } from './generator.js';
import { engine, record } from './native.js';
import type { Tensor } from './tensor.js';
import { type Scalar, isComplex } from './values.js';

let lists = new Float64Array(0);
let listTop = 0;

/** Forgets the lists of the call that is over. */
export function clearLists(): void {
  listTop = 0;
}

function reserve(count: number): number {
  const start = listTop;
  if (start + count + 1 > lists.length) {
    const larger = new Float64Array(Math.max(1024, 2 * (start + count + 1)));
    larger.set(lists);
    lists = larger;
    engine().shareBuffers(lists, record);
  }
  listTop = start + count + 1;
  lists[start] = count;
  return start;
}

/** Throws the TorchError that every wrong argument gets; what was encoded of the call so far is dropped. */
function refuse(wanted: string, value: unknown): never {
  clearLists();
  throw new TorchError(`argument: must be ${wanted}, got ${shown(value)}`);
}

/** What an error says of a value that it refuses. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
}

type Absent = null | undefined;

/** A tensor. */
export function tensor(value: Tensor): number {
  return isTensor(value) ? value.handle : refuse('a tensor', value);
}

/** A tensor or nothing. */
export function optionalTensor(value: Tensor | Absent): number | Absent {
  return value === undefined || value === null ? value : tensor(value);
}

/** A tensor, or a number taken as a wrapped number (it does not raise the dtype of the tensors beside it, unless its kind does). */
export function operand(value: Tensor | Scalar): number {
  if (isTensor(value)) return value.handle;
  if (typeof value === 'number') return wrapped(value, 0);
  if (typeof value === 'boolean') return wrapped(Number(value), 1);
  if (isComplex(value)) return wrapped(value.re, 2, value.im);
  if (typeof value !== 'bigint') return refuse('a tensor or a number', value);
  if (BigInt.asIntN(64, value) !== value) return refuse('an integer of 64 bits', value);
  return wrapped(Number(value >> 32n), 3, Number(value & 0xffffffffn));
}

// native/arguments.h has the kinds.
function wrapped(value: number, kind: number, second?: number): number {
  const start = reserve(second === undefined ? 2 : 3);
  lists[start + 1] = value;
  lists[start + 2] = kind;
  if (second !== undefined) lists[start + 3] = second;
  return -start - 1;
}

/** Like `operand`, or nothing. */
export function optionalOperand(value: Tensor | Scalar | Absent): number | Absent {
  return value === undefined || value === null ? value : operand(value);
}

/** A list of numbers; one number stands for `length` copies of it, as in PyTorch. */
export function numbers(value: readonly number[] | number | Absent, length = 1): number | Absent {
  if (value === undefined || value === null) return value;
  if (typeof value === 'number') {
    const start = reserve(length);
    lists.fill(value, start + 1, start + 1 + length);
    return start;
  }
  if (!Array.isArray(value)) refuse('a list of numbers', value);
  const count = value.length;
  const start = reserve(count);
  for (let i = 0; i < count; i++) {
    const entry: unknown = value[i];
    lists[start + 1 + i] = typeof entry === 'number' ? entry : refuse('a list of numbers', value);
  }
  return start;
}

/** A list of booleans. */
export function booleans(value: readonly boolean[] | Absent): number | Absent {
  if (value === undefined || value === null) return value;
  return Array.isArray(value) ? numbers(value.map(Number)) : refuse('a list of booleans', value);
}

/** A list of tensors, in which undefined stands for none where the schema allows it. */
export function tensors(value: readonly (Tensor | Absent)[] | Absent): number | Absent {
  if (value === undefined || value === null) return value;
  if (!Array.isArray(value)) refuse('a list of tensors', value);
  const count = value.length;
  const start = reserve(count);
  for (let i = 0; i < count; i++) {
    const entry: unknown = value[i];
    if (isTensor(entry)) lists[start + 1 + i] = entry.handle;
    else lists[start + 1 + i] = entry === undefined || entry === null ? -1 : refuse('a list of tensors', value);
  }
  return start;
}

/** A generator. */
export function generator(value: Generator | Absent): number | Absent {
  if (value === undefined || value === null) return value;
  return typeof value.generatorHandle === 'number' ? value.generatorHandle : refuse('a generator', value);
}

/** Options that must be given. */
export function options<T extends object>(value: T): T {
  return typeof value === 'object' ? value : refuse('an object of options', value);
}

/** Whether a merged method's argument can be its options: nothing, or an object that is no operand. */
export function isOptions(value: unknown): boolean {
  if (value === undefined) return true;
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isTensor(value) && !isComplex(value);
}

/** Numbers as the only list of a call that is not `invoke`. */
export function onlyList(values: readonly number[]): number {
  clearLists();
  const start = reserve(values.length);
  lists.set(values, start + 1);
  clearLists();
  return start;
}

/** What a loss does with its elements. */
export type Reduction = 'none' | 'mean' | 'sum';
/** How a grid sampler reads between pixels. */
export type Interpolation = 'bilinear' | 'nearest' | 'bicubic';
/** What a grid sampler reads outside the image. */
export type GridPadding = 'zeros' | 'border' | 'reflection';

type Choices<T extends string> = Readonly<Record<T, number>>;

const reductions: Choices<Reduction> = { none: 0, mean: 1, sum: 2 }; // at::Reduction
const interpolations: Choices<Interpolation> = { bilinear: 0, nearest: 1, bicubic: 2 }; // at::native::GridSamplerInterpolation
const paddings: Choices<GridPadding> = { zeros: 0, border: 1, reflection: 2 }; // at::native::GridSamplerPadding

function choice<T extends string>(choices: Choices<T>, value: T | Absent): number | Absent {
  if (value === undefined || value === null) return value;
  return Object.hasOwn(choices, value) ? choices[value] : refuse(`one of ${Object.keys(choices).join(' ')}`, value);
}

/** libtorch's number of a reduction. */
export function reduction(value: Reduction | Absent): number | Absent {
  return choice(reductions, value);
}

/** libtorch's number of an interpolation. */
export function interpolation(value: Interpolation | Absent): number | Absent {
  return choice(interpolations, value);
}

/** libtorch's number of a grid padding. */
export function gridPadding(value: GridPadding | Absent): number | Absent {
  return choice(paddings, value);
}
