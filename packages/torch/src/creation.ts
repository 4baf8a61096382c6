// Tensors from JavaScript values, and the one factory whose default differs from PyTorch's. The others are generated (ops.gen.ts).

import { adopt } from './adopt.js';
import { Operator, invoke, tensorOf } from './dispatch.js';
import { type DType, type Device, deviceNumber, dtypeNumber } from './dtype.js';
import { DtypeError, ShapeError } from './errors.js';
import { engine } from './native.js';
import { numbers, onlyList } from './operands.js';
import type { Tensor } from './tensor.js';
import type { TensorData } from './values.js';

/** Nested arrays of numbers that are only read. */
export type ReadonlyNumbers = number | readonly ReadonlyNumbers[];

/** How `tensor` makes a tensor. */
export interface TensorOptions {
  /** Default: as the arrays are nested; one dimension for a typed array. */
  readonly shape?: readonly number[];
  /** Default: float32 for numbers, the elements' own type for a typed array. */
  readonly dtype?: DType;
  readonly device?: Device;
  readonly requiresGrad?: boolean;
}

/**
 * A tensor with a copy of `data`. Throws ShapeError when nested arrays are ragged or the shape has another number of elements.
 * @example tensor([[1, 2], [3, 4]]); tensor(new Uint8Array(12), { shape: [3, 4] }); tensor(0.5, { dtype: 'float64' });
 */
export function tensor(data: ReadonlyNumbers | TensorData, options: TensorOptions = {}): Tensor {
  const source = ArrayBuffer.isView(data) ? ofTypedArray(data) : ofNumbers(data, options.dtype);
  const { bytes, dtype: sourceDtype, shape: sourceShape } = source;
  const {
    shape = sourceShape,
    dtype = ArrayBuffer.isView(data) ? sourceDtype : 'float32',
    device = 'cpu',
    requiresGrad = false,
  } = options;
  let made = fromBytes(bytes, shape, sourceDtype, sourceDtype === dtype ? device : 'cpu');
  if (dtype !== sourceDtype) {
    const narrow = made;
    made = narrow.to({ dtype, device });
    narrow.dispose();
  }
  return requiresGrad ? made.requiresGrad_() : made;
}

interface Source {
  readonly bytes: Uint8Array;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

function ofTypedArray(data: TensorData): Source {
  return {
    bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    dtype: dtypeOfTypedArray(data),
    shape: [data.length],
  };
}

function dtypeOfTypedArray(data: TensorData): DType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof BigInt64Array) return 'int64';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof Int16Array) return 'int16';
  if (data instanceof Int8Array) return 'int8';
  if (data instanceof Uint8Array) return 'uint8';
  throw new DtypeError(
    `tensor: has no dtype for ${Object.prototype.toString.call(data)}; use Float32Array or another signed one`,
  );
}

// float32 where that is what is wanted; else float64, which holds whole numbers up to 2^53 on the way to an integer dtype.
function ofNumbers(data: ReadonlyNumbers, wanted: DType = 'float32'): Source {
  const shape = shapeOf(data);
  const flat: number[] = [];
  flatten(data, shape, 0, flat);
  const dtype = wanted === 'float32' ? 'float32' : 'float64';
  const elements = dtype === 'float32' ? Float32Array.from(flat) : Float64Array.from(flat);
  return { bytes: new Uint8Array(elements.buffer), dtype, shape };
}

function shapeOf(data: ReadonlyNumbers): number[] {
  const shape: number[] = [];
  for (let level: ReadonlyNumbers | undefined = data; typeof level === 'object'; level = level[0])
    shape.push(level.length);
  return shape;
}

function flatten(data: ReadonlyNumbers, shape: readonly number[], dim: number, into: number[]): void {
  if (typeof data === 'number' && dim === shape.length) into.push(data);
  else if (typeof data === 'object' && data.length === shape[dim]) {
    for (const entry of data) flatten(entry, shape, dim + 1, into);
  } else {
    const got = typeof data === 'object' ? `${data.length} entries` : String(data);
    throw new ShapeError(
      `tensor: nested arrays must have the shape [${shape.join(', ')}] of their first entries, got ${got} in dimension ${dim}`,
    );
  }
}

/**
 * A tensor with a copy of raw bytes: elements in row-major order, little-endian. Throws ShapeError when the number of bytes does not fit.
 * @example fromBytes(file.subarray(8, 8 + 24), [2, 3], 'float32');
 */
export function fromBytes(bytes: Uint8Array, shape: readonly number[], dtype: DType, device: Device = 'cpu'): Tensor {
  const sizes = onlyList(shape);
  return adopt(engine().fromBytes(bytes, dtypeNumber(dtype), sizes, deviceNumber(device)));
}

/**
 * Writes raw bytes over the elements of a contiguous CPU tensor, recording nothing. Throws ShapeError when the number of bytes does not fit.
 */
export function copyBytes(to: Tensor, bytes: Uint8Array): void {
  engine().copyBytes(to.handle, bytes);
}

const fullOperator = new Operator('aten::full');

/**
 * A tensor in which every element is `value`. Deviates from PyTorch: the default dtype is float32 also for a whole number,
 * since JavaScript cannot tell 1 from 1.0.
 */
export function full(
  shape: readonly number[],
  value: number | boolean,
  { dtype = 'float32', device }: { dtype?: DType; device?: Device } = {},
): Tensor {
  return tensorOf(invoke(fullOperator, numbers(shape), value, dtypeNumber(dtype), undefined, deviceNumber(device)));
}
