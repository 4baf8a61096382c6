// Tensors from JavaScript values, and the one factory whose default differs from PyTorch's. The others are generated (ops.gen.ts).

import { adopt } from './adopt.js';
import { Operator, invoke, tensorOf } from './dispatch.js';
import { type DType, type Device, deviceNumber, dtypeNumber } from './dtype.js';
import { DtypeError, ShapeError } from './errors.js';
import { engine } from './native.js';
import { numbers, onlyList, shown } from './operands.js';
import type { Tensor } from './tensor.js';
import { type ReadonlyNested, type Scalar, type TensorData, isComplex, isScalar } from './values.js';

/** How `tensor` makes a tensor. */
export interface TensorOptions {
  /** Default: as the arrays are nested; one dimension for a typed array. */
  readonly shape?: readonly number[];
  /** Default: float32 for numbers, bool for booleans, int64 for bigints, complex64 for complex numbers; a typed array's own. */
  readonly dtype?: DType;
  readonly device?: Device;
  readonly requiresGrad?: boolean;
}

/**
 * A tensor with a copy of `data`, a plain copy of bytes for a typed array. It is never a view: an ArrayBuffer may be detached
 * (`postMessage`, `structuredClone`) while the tensor lives, and Node's C interface offers no way to hold on to its memory.
 * Throws ShapeError when nested arrays are ragged or the shape has another number of elements, DtypeError for values that do not mix.
 * @example tensor([[1, 2], [3, 4]]); tensor(new Uint8Array(12), { shape: [3, 4] }); tensor(0.5, { dtype: 'float64' });
 * @example tensor([true, false]); tensor(2n ** 60n); tensor([{ re: 0, im: 1 }]);
 */
export function tensor(data: ReadonlyNested<Scalar> | TensorData, options: TensorOptions = {}): Tensor {
  const source = ArrayBuffer.isView(data) ? ofTypedArray(data) : ofValues(data, options.dtype);
  const { shape = source.shape, dtype = source.dtype, device = 'cpu', requiresGrad = false } = options;
  let made = fromBytes(source.bytes, shape, source.dtype, source.dtype === dtype ? device : 'cpu');
  if (dtype !== source.dtype) {
    const first = made;
    made = first.to({ dtype, device });
    first.dispose();
  }
  return requiresGrad ? made.requiresGrad_() : made;
}

interface Source {
  readonly bytes: Uint8Array;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

function ofTypedArray(data: TensorData): Source {
  return { bytes: bytesOf(data), dtype: dtypeOfTypedArray(data), shape: [data.length] };
}

function bytesOf({ buffer, byteOffset, byteLength }: TensorData): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
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

function ofValues(data: ReadonlyNested<Scalar>, wanted: DType | undefined): Source {
  const shape = shapeOf(data);
  const values: Scalar[] = [];
  flatten(data, shape, 0, values);
  const kinds = new Set(values.map((value) => typeof value));
  const { elements, dtype } = kinds.has('object')
    ? complexElements(values, wanted)
    : kinds.has('bigint')
      ? integerElements(values)
      : kinds.has('boolean') && kinds.size === 1
        ? { elements: Uint8Array.from(values, Number), dtype: 'bool' as const }
        : numberElements(values, wanted);
  return { bytes: bytesOf(elements), dtype, shape };
}

interface Elements {
  readonly elements: TensorData;
  readonly dtype: DType;
}

// float32 where that is what is wanted; else float64, which holds whole numbers up to 2^53 on the way to an integer dtype.
function numberElements(values: readonly Scalar[], wanted: DType = 'float32'): Elements {
  return wanted === 'float32'
    ? { elements: Float32Array.from(values, Number), dtype: 'float32' }
    : { elements: Float64Array.from(values, Number), dtype: 'float64' };
}

function integerElements(values: readonly Scalar[]): Elements {
  const integers = values.map((value) => {
    const integer = typeof value === 'bigint' ? value : Number(value);
    const isWhole =
      typeof integer === 'bigint' ? BigInt.asIntN(64, integer) === integer : Number.isSafeInteger(integer);
    if (!isWhole) throw new DtypeError(`tensor: beside a bigint stand integers of 64 bits, got ${integer}`);
    return BigInt(integer);
  });
  return { elements: BigInt64Array.from(integers), dtype: 'int64' };
}

function complexElements(values: readonly Scalar[], wanted: DType = 'complex64'): Elements {
  const parts = values.flatMap((value) => {
    if (typeof value === 'bigint') throw new DtypeError(`tensor: beside a complex number stand numbers, got ${value}n`);
    return isComplex(value) ? [value.re, value.im] : [Number(value), 0];
  });
  return wanted === 'complex64'
    ? { elements: Float32Array.from(parts), dtype: 'complex64' }
    : { elements: Float64Array.from(parts), dtype: 'complex128' };
}

function shapeOf(data: ReadonlyNested<Scalar>): number[] {
  const shape: number[] = [];
  for (let level: ReadonlyNested<Scalar> | undefined = data; isList(level); level = level[0]) shape.push(level.length);
  return shape;
}

function flatten(data: ReadonlyNested<Scalar>, shape: readonly number[], dim: number, into: Scalar[]): void {
  if (!isList(data) && isScalar(data) && dim === shape.length) into.push(data);
  else if (isList(data) && data.length === shape[dim]) {
    for (const entry of data) flatten(entry, shape, dim + 1, into);
  } else {
    const got = isList(data) ? `${data.length} entries` : shown(data);
    throw new ShapeError(
      `tensor: nested arrays must have the shape [${shape.join(', ')}] of their first entries, got ${got} in dimension ${dim}`,
    );
  }
}

function isList(value: unknown): value is readonly ReadonlyNested<Scalar>[] {
  return Array.isArray(value);
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
 * since JavaScript cannot tell 1 from 1.0; bool, int64 and complex64 for a boolean, a bigint and a complex number.
 */
export function full(
  shape: readonly number[],
  value: Scalar,
  { dtype = defaultDtype(value), device }: { dtype?: DType; device?: Device } = {},
): Tensor {
  return tensorOf(invoke(fullOperator, numbers(shape), value, dtypeNumber(dtype), undefined, deviceNumber(device)));
}

function defaultDtype(value: Scalar): DType {
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'int64';
  return isComplex(value) ? 'complex64' : 'float32';
}
