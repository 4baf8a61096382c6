// Elements of tensors as JavaScript values.

import type { DType } from './dtype.js';
import { DtypeError } from './errors.js';
import type { Tensor } from './tensor.js';

/** Typed arrays that hold the elements of a tensor. */
export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** A number, or arrays of them to any depth. */
export type NestedNumbers = number | NestedNumbers[];

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
    throw new DtypeError(`toTypedArray: ${dtype} has no typed array; take viewAsReal() first, or toBytes()`);
  }
  return data;
}

/** Splits a flat list of elements into nested arrays of a shape. */
export function nest(data: TensorData, shape: readonly number[]): NestedNumbers {
  const build = (dim: number, start: number, count: number): NestedNumbers => {
    const size = shape[dim];
    if (size === undefined) return exactNumber(data[start] ?? Number.NaN);
    const step = size === 0 ? 0 : count / size;
    return Array.from({ length: size }, (_, i) => build(dim + 1, start + i * step, step));
  };
  return build(0, 0, data.length);
}

function exactNumber(value: number | bigint): number {
  if (typeof value === 'bigint' && !Number.isSafeInteger(Number(value))) {
    throw new RangeError(
      `toArray: the integer ${value} is beyond 2^53, where numbers are not exact; use toTypedArray()`,
    );
  }
  return Number(value);
}

const maxShownElements = 8;

/** See Tensor.toString. */
export function shortText(tensor: Tensor): string {
  if (tensor.isDisposed) return 'Tensor(disposed)';
  const { dtype, device, shape, numel } = tensor;
  const place = device === 'cpu' ? '' : ` on ${device}`;
  const head = `${dtype} [${shape.join(', ')}]${place}`;
  if (dtype === 'complex64' || dtype === 'complex128' || numel > 1e6) return `Tensor(${head})`;
  const values = Array.from<number | bigint>(typedArrayOf(tensor)).slice(0, maxShownElements);
  const shown = values.map((value) =>
    typeof value === 'bigint' ? String(value) : String(Number(value.toPrecision(5))),
  );
  return `Tensor(${head}: ${shown.join(', ')}${numel > maxShownElements ? ', ...' : ''})`;
}
