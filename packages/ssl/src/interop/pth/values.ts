/**
 * What a pickle of PyTorch's holds, as values that can do nothing: a global is its name, an object of a class is the class's name, a
 * tensor says where its elements lie.
 */
import type { DType } from '@halfway/torch';

export type PickledValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickledValue[] // lists and tuples
  | Map<PickledValue, PickledValue>
  | PickledGlobal
  | PickledStorage
  | PickledTensor
  | SkippedObject;

/** A class or function of Python's by name, such as `torch.FloatStorage`. It is never looked up. */
export class PickledGlobal {
  constructor(readonly name: string) {}
}

/** Elements of a file that tensors are views of. */
export class PickledStorage {
  constructor(
    readonly key: string,
    readonly dtype: DType,
    readonly numel: number,
  ) {}
}

/** A view of a storage, which it lies within; offset and strides are in elements. */
export class PickledTensor {
  constructor(
    readonly storage: PickledStorage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** An object that was not made, of a class that official files are known to hold beside their tensors. */
export class SkippedObject {
  constructor(readonly typeName: string) {}
}
