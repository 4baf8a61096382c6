// The engine's errors. Each carries the operator it comes from; the message has the rule and the shapes, never a C++ backtrace.

export { EngineNotFoundError } from './setup/errors.js';

/** A failure inside the engine, or an argument it cannot take; the classes below name the usual reasons. */
export class TorchError extends Error {
  override readonly name: string = 'TorchError';
  /** The operator's full name, for example `aten::add.Tensor`; undefined when no operator was called. */
  readonly op: string | undefined;

  constructor(message: string, op?: string) {
    super(message);
    this.op = op;
  }
}

/** Shapes, sizes, dimensions or indices that do not fit. */
export class ShapeError extends TorchError {
  override readonly name = 'ShapeError';
}

/** A dtype the operator has no kernel for, or dtypes that do not fit each other. */
export class DtypeError extends TorchError {
  override readonly name = 'DtypeError';
}

/** A device that is not there, or tensors on different devices. */
export class DeviceError extends TorchError {
  override readonly name = 'DeviceError';
}

/** A request beyond the memory budget or beyond what the system gives; the process goes on. */
export class OutOfMemoryError extends TorchError {
  override readonly name = 'OutOfMemoryError';
}

/** A tensor or generator used after its end: `dispose()` was called, or its scope is over. */
export class TensorDisposedError extends TorchError {
  override readonly name = 'TensorDisposedError';
}

/** Classes by the number the addon gives them; the order is that of `ErrorKind` in native/errors.h. */
const errorClasses = [TorchError, ShapeError, DtypeError, DeviceError, OutOfMemoryError, TensorDisposedError] as const;

/** Makes the error of a failure reported by the addon. */
export function engineError(kind: number, message: string, op: string): TorchError {
  const ErrorClass = errorClasses[kind] ?? TorchError;
  return new ErrorClass(message, op === '' ? undefined : op);
}
