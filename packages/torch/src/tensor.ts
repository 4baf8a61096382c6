// The tensor: a handle, and what was cached of its description. Operators are methods inherited from the generated class; this file
// has what no operator gives: values out, gradients, the end of life.

import { adopt, isTensor, registerTensorClass } from './adopt.js';
import { Operator, invoke, shapeEpoch, tensorOf } from './dispatch.js';
import {
  type DType,
  type Device,
  type MemoryFormat,
  deviceNumber,
  deviceOfNumber,
  dtypeNumber,
  dtypeOfNumber,
  memoryFormatNumber,
} from './dtype.js';
import { TorchError } from './errors.js';
import { engine, record } from './native.js';
import { TensorMethods } from './ops.gen.js';
import { track } from './scope.js';
import { type NestedNumbers, type TensorData, nest, shortText, typedArrayOf } from './values.js';

const toDtype = new Operator('aten::to', 'dtype');
const toDtypeLayout = new Operator('aten::to', 'dtype_layout');

/** What `Tensor.to` may change. */
export interface Conversion {
  readonly dtype?: DType;
  readonly device?: Device;
  readonly memoryFormat?: MemoryFormat;
  /** Makes a new tensor even where nothing changes. */
  readonly copy?: boolean;
}

/** How `Tensor.backward` runs. */
export interface BackwardOptions {
  /** Keeps the graph for another pass. Default: `createGraph`. */
  readonly retainGraph?: boolean;
  /** Records the computation of the gradients. Default false. */
  readonly createGraph?: boolean;
}

/**
 * An n-dimensional array of libtorch. Made by `tensor`, `zeros`, ... and by operators, never with `new`.
 * Use after `dispose`, or after the end of the scope it was made in, is a TensorDisposedError.
 * @example const y = tensor([[1, 2], [3, 4]]).matmul(x).add(1).relu();
 */
export class Tensor extends TensorMethods {
  /** @internal */
  readonly handle: number;
  /** @internal Set by scope.ts: not ended by any scope. */
  isKept = false;

  readonly dtype: DType;
  readonly device: Device;
  #shape: readonly number[];
  #shapeEpoch: number;

  /** @internal Takes over a handle whose description has just been written to the record. */
  constructor(handle: number) {
    super();
    this.handle = handle;
    this.dtype = dtypeOfNumber(record[1] ?? -1);
    this.device = deviceOfNumber(record[2] ?? 0);
    this.#shape = recordedSizes();
    this.#shapeEpoch = shapeEpoch;
    track(this);
  }

  /** Sizes of the dimensions, outermost first. */
  get shape(): readonly number[] {
    if (this.#shapeEpoch !== shapeEpoch) {
      engine().describe(this.handle);
      this.#shape = recordedSizes();
      this.#shapeEpoch = shapeEpoch;
    }
    return this.#shape;
  }

  /** Number of dimensions. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get numel(): number {
    let count = 1;
    for (const size of this.shape) count *= size;
    return count;
  }

  /** Steps between neighbours along each dimension, in elements. */
  get strides(): readonly number[] {
    engine().describeStrides(this.handle);
    return recordedSizes();
  }

  /** Whether the elements lie in memory in row-major order without gaps. */
  get isContiguous(): boolean {
    return engine().isContiguous(this.handle);
  }

  // --- values out -------------------------------------------------------------------------------------------------------------

  /** The only element as a number (booleans as 0 and 1). Throws RangeError for an integer beyond 2^53, TorchError for several elements. */
  item(): number {
    const value = engine().item(this.handle);
    if (typeof value !== 'bigint') return Number(value);
    throw new RangeError(`item: the integer ${value} is beyond 2^53, where numbers are not exact; use toTypedArray()`);
  }

  /** A copy of the elements in row-major order; float16 and bfloat16 as Float32Array, bool as Uint8Array. Throws DtypeError for complex. */
  toTypedArray(): TensorData {
    return typedArrayOf(this);
  }

  /** The elements as nested arrays of numbers, a plain number for rank 0. Throws RangeError for integers beyond 2^53. */
  toArray(): NestedNumbers {
    return nest(this.toTypedArray(), this.shape);
  }

  /** A copy of the elements' bytes in row-major order, little-endian, any dtype. */
  toBytes(): Uint8Array {
    return new Uint8Array(engine().toBytes(this.handle));
  }

  /** dtype, shape and a few values. */
  override toString(): string {
    return shortText(this);
  }

  /** What console.log shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return shortText(this);
  }

  // --- conversion -------------------------------------------------------------------------------------------------------------

  /** The tensor with another dtype, device or order in memory; itself (another handle of it) where nothing changes. */
  to(target: DType | Conversion): Tensor {
    if (typeof target === 'string') return tensorOf(invoke(toDtype, this.handle, dtypeNumber(target)));
    const { dtype, device, memoryFormat, copy = false } = target;
    return tensorOf(
      invoke(
        toDtypeLayout,
        this.handle,
        dtypeNumber(dtype),
        undefined,
        deviceNumber(device),
        undefined,
        false,
        copy,
        memoryFormatNumber(memoryFormat),
      ),
    );
  }

  // --- gradients --------------------------------------------------------------------------------------------------------------

  /** Whether operators on this tensor are recorded for gradients. */
  get requiresGrad(): boolean {
    return engine().requiresGrad(this.handle);
  }

  /** Sets `requiresGrad` of a leaf. Throws DtypeError for integers, TorchError for a computed tensor. */
  requiresGrad_(flag = true): this {
    engine().requiresGrad_(this.handle, flag);
    return this;
  }

  /** Whether it was made by the user, not by a recorded operator. */
  get isLeaf(): boolean {
    return engine().isLeaf(this.handle);
  }

  /** The gradient accumulated by `backward`, of this tensor's shape; undefined before the first. Setting undefined clears it. */
  get grad(): Tensor | undefined {
    const handle = engine().gradOf(this.handle);
    return handle < 0 ? undefined : adopt(handle);
  }

  set grad(gradient: Tensor | undefined) {
    engine().setGrad(this.handle, gradient === undefined ? -1 : gradient.handle);
  }

  /**
   * Adds the gradients of this tensor to `grad` of every leaf it was computed from.
   * @param gradient of this tensor's shape; may be left out for one element (then 1)
   */
  backward(gradient?: Tensor, { createGraph = false, retainGraph = createGraph }: BackwardOptions = {}): void {
    if (gradient !== undefined && !isTensor(gradient)) {
      throw new TorchError(`backward: gradient must be a tensor, got ${typeof gradient}`);
    }
    engine().backward(this.handle, gradient === undefined ? -1 : gradient.handle, retainGraph, createGraph);
  }

  // --- end of life ------------------------------------------------------------------------------------------------------------

  /** Frees the memory, unless views or a recorded graph still need it. A second call does nothing. */
  dispose(): void {
    engine().dispose(this.handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Whether its life is over. */
  get isDisposed(): boolean {
    return !engine().isAlive(this.handle);
  }
}

registerTensorClass(Tensor);

function recordedSizes(): readonly number[] {
  const rank = record[0] ?? 0;
  const sizes = new Array<number>(rank);
  for (let i = 0; i < rank; i++) sizes[i] = record[3 + i] ?? 0;
  return sizes;
}
