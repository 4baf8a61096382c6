// The Tensor class for the files that Tensor itself is built on: they cannot import it, so it registers itself here.

import type { Tensor } from './tensor.js';

type TensorClass = new (handle: number) => Tensor;
let TensorOfHandle: TensorClass;

/** Called once by tensor.ts. */
export function registerTensorClass(tensorClass: TensorClass): void {
  TensorOfHandle = tensorClass;
}

/** A tensor for a handle whose description is in the record. */
export function adopt(handle: number): Tensor {
  return new TensorOfHandle(handle);
}

/** Whether a value is a tensor. */
export function isTensor(value: unknown): value is Tensor {
  return value instanceof TensorOfHandle;
}
