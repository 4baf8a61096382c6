/// <reference lib="esnext.disposable" preserve="true" />
// The tensor: a handle, and what was cached of its description. Operators are methods inherited from the generated class; this file
// has what no operator gives: values out, gradients, the end of life.

import { adopt, isTensor, registerTensorClass } from './adopt.js';
import { Operator, invoke, shapeEpoch, takeBoolean, tensorOf } from './dispatch.js';
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
import { resolveDevice } from './device.js';
import { TorchError } from './errors.js';
import { type IndexEntry, elementsAt, setElementsAt } from './indexing.js';
import { engine, record } from './native.js';
import { TensorMethods } from './ops.gen.js';
import { track } from './scope.js';
import { tensorSummary, tensorText } from './tensorText.js';
import {
  type Complex,
  type ElementTypes,
  type Nested,
  type Scalar,
  type TensorData,
  expectReadable,
  naturalKind,
  nestedElements,
  readElement,
  typedArrayOf,
} from './values.js';

const toDtype = new Operator('aten::to', 'dtype');
const toDtypeLayout = new Operator('aten::to', 'dtype_layout');
const pinMemory = new Operator('aten::pin_memory');
const isPinned = new Operator('aten::is_pinned');

/** What `Tensor.to` may change. */
export interface Conversion {
  readonly dtype?: DType;
  readonly device?: Device;
  readonly memoryFormat?: MemoryFormat;
  /** Makes a new tensor even where nothing changes. */
  readonly copy?: boolean;
  /** Does not wait for a copy between pinned memory and a GPU. What is read on the CPU is good after `synchronize` only. Default false. */
  readonly nonBlocking?: boolean;
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
  #device: Device;
  #shape: readonly number[];
  #shapeEpoch: number;

  /** @internal Takes over a handle whose description has just been written to the record. */
  constructor(handle: number) {
    super();
    this.handle = handle;
    this.dtype = dtypeOfNumber(record[1] ?? -1);
    this.#device = deviceOfNumber(record[2] ?? 0);
    this.#shape = recordedSizes();
    this.#shapeEpoch = shapeEpoch;
    track(this);
  }

  /** Where the elements are; a GPU always with its number. */
  get device(): Device {
    return this.#device;
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

  /**
   * The only element, read as a number (booleans as 0 and 1), or as `kind`.
   * Throws TorchError for several elements, DtypeError when the dtype has no such kind, RangeError for an integer beyond 2^53 as a number.
   * @example x.sum().item(); ids.max().item('bigint'); spectrum.at(0).item('complex').im;
   */
  item<Kind extends keyof ElementTypes = 'number'>(kind: Kind = 'number' as Kind): ElementTypes[Kind] {
    const value = engine().item(this.handle);
    if (typeof value !== kind) expectReadable(this.dtype, kind, 'item');
    return readElement(value, kind, 'item');
  }

  /** A copy of the elements in row-major order; float16 and bfloat16 as Float32Array, bool as Uint8Array. Throws DtypeError for complex. */
  toTypedArray(): TensorData {
    return typedArrayOf(this);
  }

  /**
   * The elements as nested arrays of numbers (booleans as 0 and 1), or of another kind; a plain value for rank 0.
   * Throws DtypeError when the dtype has no such kind, RangeError for an integer beyond 2^53 as a number.
   * @example x.toArray(); mask.toArray('boolean'); ids.toArray('bigint');
   */
  toArray<Kind extends keyof ElementTypes = 'number'>(kind: Kind = 'number' as Kind): Nested<ElementTypes[Kind]> {
    return nestedElements(this, kind, 'toArray');
  }

  /** A copy of the elements' bytes in row-major order, little-endian, any dtype. */
  toBytes(): Uint8Array {
    return new Uint8Array(engine().toBytes(this.handle));
  }

  /** The text that PyTorch prints, with the elements, summarised beyond 1,000 of them: `tensor([1.0000, 2.5000], dtype=torch.float64)`. */
  override toString(): string {
    return tensorText(this);
  }

  /** What console.log shows: the elements, but inside of other objects only dtype and shape. */
  [Symbol.for('nodejs.util.inspect.custom')](
    depth?: number | null,
    options?: { readonly depth?: number | null },
  ): string {
    return depth === options?.depth ? tensorText(this) : tensorSummary(this);
  }

  /** What JSON.stringify takes: nested arrays, in which JSON writes NaN and the infinities as null. `tensor` makes it a tensor again. */
  toJSON(): Nested<number | boolean | Complex> {
    return nestedElements(this, naturalKind(this.dtype), 'toJSON');
  }

  // --- parts ------------------------------------------------------------------------------------------------------------------

  /**
   * Python's `x[...]`: one entry a dimension, as IndexEntry says; dimensions left out at the end stay whole. Without masks and arrays or
   * tensors of positions the result is a view, which shares its memory with this tensor.
   * Throws ShapeError for an index out of range, for too many of them, and for masks of another shape.
   * @example x.at(0); x.at(-1, { start: 1, end: 3 }); x.at('...', null, 0); x.at(x.gt(0)); x.at(':', [0, 2]);
   */
  at(...entries: readonly IndexEntry[]): Tensor {
    return elementsAt(this, entries);
  }

  /**
   * Python's `x[...] = value`, in place.
   * @param index one entry, or an array of them; so `x.set([0, 2], v)` is one element, and `x.set([[0, 2]], v)` two rows
   * @param value broadcast to the place
   * Throws ShapeError as `at`, and when the value does not fit; DtypeError for a value of another dtype at a mask or positions.
   * @example x.set(0, 1); x.set([':', -1], row); x.set(x.lt(0), 0);
   */
  set(index: Exclude<IndexEntry, readonly unknown[]> | readonly IndexEntry[], value: Tensor | Scalar): this {
    setElementsAt(this, isEntryList(index) ? index : [index], value);
    return this;
  }

  /** The entries of the first dimension. Throws TypeError for rank 0. */
  [Symbol.iterator](): IterableIterator<Tensor> {
    if (this.rank === 0) throw new TypeError('a tensor of rank 0 has no entries to iterate over');
    return this.unbind(0).values();
  }

  // --- conversion -------------------------------------------------------------------------------------------------------------

  /**
   * The tensor with another dtype, device or order in memory; itself (another handle of it) where nothing changes.
   * Throws DeviceError, with what to do, when the device cannot be used.
   * @example x.to('float64'); x.to('cuda'); pinned.to({ device: 'cuda:1', nonBlocking: true });
   */
  to(target: DType | Device | Conversion): Tensor {
    if (isDevice(target)) return this.to({ device: target });
    if (typeof target === 'string') return tensorOf(invoke(toDtype, this.handle, dtypeNumber(target)));
    const { dtype, device, memoryFormat, copy = false, nonBlocking = false } = target;
    return tensorOf(
      invoke(
        toDtypeLayout,
        this.handle,
        dtypeNumber(dtype),
        undefined,
        deviceNumber(device),
        undefined,
        nonBlocking,
        copy,
        memoryFormatNumber(memoryFormat),
      ),
    );
  }

  /**
   * A copy in pinned memory of the host, from which a GPU copies by itself (`to` with `nonBlocking`). Throws DeviceError without a GPU.
   * What `tensor` and `fromBytes` make on a GPU goes there this way already.
   */
  pinMemory(): Tensor {
    resolveDevice('cuda'); // says why there is none; libtorch takes no device here any more
    return tensorOf(invoke(pinMemory, this.handle));
  }

  /** Whether the elements are in pinned memory. */
  get isPinned(): boolean {
    invoke(isPinned, this.handle);
    return takeBoolean();
  }

  /** @internal Moves the elements of a leaf or buffer to a device in place: who holds the tensor holds it still. Its gradient is dropped. */
  moveTo(device: Device): void {
    engine().moveTo(this.handle, deviceNumber(device));
    this.#device = deviceOfNumber(record[2] ?? 0);
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

function isEntryList(index: unknown): index is readonly IndexEntry[] {
  return Array.isArray(index);
}

function isDevice(target: unknown): target is Device {
  return typeof target === 'string' && (target === 'cpu' || target.startsWith('cuda'));
}

function recordedSizes(): readonly number[] {
  const rank = record[0] ?? 0;
  const sizes = new Array<number>(rank);
  for (let i = 0; i < rank; i++) sizes[i] = record[3 + i] ?? 0;
  return sizes;
}
