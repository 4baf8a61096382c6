// Elements of tensors as JavaScript values.

import type { DType } from './dtype.js';
import { DtypeError } from './errors.js';
import type { Tensor } from './tensor.js';

/** A complex number. */
export interface Complex {
  readonly re: number;
  readonly im: number;
}

/** A single number of any kind, as PyTorch's operators take it; a bigint stands for an integer of 64 bits. */
export type Scalar = number | boolean | bigint | Complex;

/** A value, or arrays of them to any depth. */
export type Nested<T> = T | Nested<T>[];

/** A value, or arrays of them to any depth, only read. */
export type ReadonlyNested<T> = T | readonly ReadonlyNested<T>[];

/** Typed arrays that hold the elements of a tensor. */
export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** What an element can be read as. */
export interface ElementTypes {
  /** Any real dtype; booleans as 0 and 1. An integer beyond 2^53 is a RangeError. */
  number: number;
  /** Integers of any size, and booleans as 0n and 1n. */
  bigint: bigint;
  /** bool only. */
  boolean: boolean;
  /** Any dtype. */
  complex: Complex;
}

/** Whether a value is a single number of any kind. */
export function isScalar(value: unknown): value is Scalar {
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint' || isComplex(value);
}

/** Whether a value is a complex number. */
export function isComplex(value: unknown): value is Complex {
  return (
    typeof value === 'object' &&
    value !== null &&
    're' in value &&
    'im' in value &&
    typeof value.re === 'number' &&
    typeof value.im === 'number'
  );
}

/** A view of bytes (whose offset fits the element's size) as the typed array of a dtype; undefined when there is none. */
export function viewBytes(dtype: DType, bytes: Uint8Array): TensorData | undefined {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case 'float64':
      return new Float64Array(buffer, byteOffset, byteLength / 8);
    case 'int64':
      return new BigInt64Array(buffer, byteOffset, byteLength / 8);
    case 'int32':
      return new Int32Array(buffer, byteOffset, byteLength / 4);
    case 'int16':
      return new Int16Array(buffer, byteOffset, byteLength / 2);
    case 'int8':
      return new Int8Array(buffer, byteOffset, byteLength);
    case 'uint8':
    case 'bool':
      return bytes;
    case 'float16':
    case 'bfloat16':
    case 'complex64':
    case 'complex128':
      return undefined;
    default:
      return dtype satisfies never;
  }
}

/** See Tensor.toTypedArray. */
export function typedArrayOf(tensor: Tensor): TensorData {
  const { dtype } = tensor;
  if (dtype === 'float16' || dtype === 'bfloat16') {
    const wide = tensor.to('float32');
    try {
      return typedArrayOf(wide);
    } finally {
      wide.dispose();
    }
  }
  const data = viewBytes(dtype, tensor.toBytes());
  if (data === undefined) {
    throw new DtypeError(
      `toTypedArray: ${dtype} has no typed array; take viewAsReal() first, or toArray('complex'), or toBytes()`,
    );
  }
  return data;
}

/** Reads the elements by their place in row-major order: a boolean of bool, a bigint of int64, a complex number of complex, else a number. */
export function elementReader(tensor: Tensor): (index: number) => Scalar {
  const { dtype } = tensor;
  if (dtype === 'complex64' || dtype === 'complex128') {
    const parts = viewBytes(dtype === 'complex64' ? 'float32' : 'float64', tensor.toBytes()) ?? [];
    return (index) => ({ re: Number(parts[2 * index]), im: Number(parts[2 * index + 1]) });
  }
  const data = typedArrayOf(tensor);
  return dtype === 'bool' ? (index) => data[index] !== 0 : (index) => data[index] ?? Number.NaN;
}

/** The elements of a tensor as nested arrays of its shape, read as `kind`. See Tensor.toArray. */
export function nestedElements<Kind extends keyof ElementTypes>(
  tensor: Tensor,
  kind: Kind,
  where: string,
): Nested<ElementTypes[Kind]> {
  expectReadable(tensor.dtype, kind, where);
  const read = elementReader(tensor);
  const { shape, numel } = tensor;
  const build = (dim: number, start: number, count: number): Nested<ElementTypes[Kind]> => {
    const size = shape[dim];
    if (size === undefined) return readElement(read(start), kind, where);
    const step = size === 0 ? 0 : count / size;
    return Array.from({ length: size }, (_, i) => build(dim + 1, start + i * step, step));
  };
  return build(0, 0, numel);
}

/** What elements of a dtype are read as where nobody asks: the kind that loses nothing but the size of an int64. */
export function naturalKind(dtype: DType): 'number' | 'boolean' | 'complex' {
  if (dtype === 'bool') return 'boolean';
  return dtype === 'complex64' || dtype === 'complex128' ? 'complex' : 'number';
}

/** Throws DtypeError when elements of `dtype` cannot be read as `kind`. */
export function expectReadable(dtype: DType, kind: keyof ElementTypes, where: string): void {
  const natural = naturalKind(dtype);
  const isInteger = natural === 'boolean' || dtype.includes('int');
  const isReadable = {
    number: natural !== 'complex',
    bigint: isInteger,
    boolean: natural === 'boolean',
    complex: true,
  }[kind];
  if (!isReadable) throw new DtypeError(`${where}: an element of ${dtype} is no ${kind}; read it as '${natural}'`);
}

/** One element as `kind`, which its dtype allows. Throws RangeError for an integer beyond 2^53 that is to be a number. */
export function readElement<Kind extends keyof ElementTypes>(
  value: Scalar,
  kind: Kind,
  where: string,
): ElementTypes[Kind] {
  return typeof value === kind ? (value as ElementTypes[Kind]) : readers[kind](value, where);
}

const readers: { readonly [Kind in keyof ElementTypes]: (value: Scalar, where: string) => ElementTypes[Kind] } = {
  number: exactNumber,
  bigint: (value) => BigInt(value as number | bigint | boolean),
  boolean: (value) => value === true,
  complex: (value, where) => (isComplex(value) ? value : { re: exactNumber(value, where), im: 0 }),
};

function exactNumber(value: Scalar, where: string): number {
  if (typeof value === 'bigint' && !Number.isSafeInteger(Number(value))) {
    throw new RangeError(`${where}: the integer ${value} is beyond 2^53, where numbers are not exact; use 'bigint'`);
  }
  return Number(value);
}
