/**
 * Libtorch's tensors, autograd and fused loops in Node. Nothing is loaded before the first use.
 * @module torch
 */

export { type GradOptions, enableGrad, grad, inferenceMode, isGradEnabled, noGrad } from './autograd.js';
export { type TensorOptions, copyBytes, fromBytes, full, tensor } from './creation.js';
export { deviceProblem, devices, resolveDevice, synchronize } from './device.js';
export { DeviceEvent, DeviceStream } from './deviceStream.js';
export {
  type DType,
  type Device,
  type Layout,
  type MemoryFormat,
  dtypes,
  elementBytes,
  isFloatingPoint,
} from './dtype.js';
export { cpuCapability, getNumThreads, libtorchVersion, setNumThreads } from './engine.js';
export {
  DeviceError,
  DtypeError,
  EngineNotFoundError,
  OutOfMemoryError,
  ShapeError,
  TensorDisposedError,
  TorchError,
} from './errors.js';
export { type AdamwOptions, type LarsOptions, type SgdOptions, fused } from './fused.js';
export { Generator, generator } from './generator.js';
export type { IndexEntry, IndexRange } from './indexing.js';
export { type DeviceMemoryStats, type MemoryStats, memory } from './memory.js';
export type { GridPadding, Interpolation, Reduction } from './operands.js';
export * from './ops.gen.js';
export { type RawOperators, operatorNames, ops } from './ops.js';
export {
  type Float32Precision,
  convTf32,
  float32MatmulPrecision,
  setConvTf32,
  setFloat32MatmulPrecision,
} from './precision.js';
export type { RawCall, RawKeywords, RawOperands, RawOperator, RawResult, RawValue } from './rawOperator.js';
export { keep, scope } from './scope.js';
export { type SharedMapping, type SharedMemory, createSharedMemory, mapSharedMemory } from './sharedMemory.js';
export { type BackwardOptions, type Conversion, Tensor } from './tensor.js';
export type { Complex, ElementTypes, Nested, ReadonlyNested, Scalar, TensorData } from './values.js';
