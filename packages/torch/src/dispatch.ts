// The chokepoint: every operator goes through `invoke`. Turns what it returns into tensors; operands.ts turns values into what it takes.

import { adopt } from './adopt.js';
import { TorchError } from './errors.js';
import { type Encoded, engine, record } from './native.js';
import { clearLists } from './operands.js';
import type { Tensor } from './tensor.js';

/** An operator of libtorch by name, looked up at its first call. */
export class Operator {
  /** The addon's number, -1 before the first call. */
  id = -1;

  constructor(
    readonly name: string,
    readonly overload = '',
  ) {}

  /** The addon's number. Throws TorchError when this libtorch does not have the operator. */
  resolve(): number {
    if (this.id < 0) this.id = engine().resolve(this.name, this.overload);
    return this.id;
  }
}

/** Calls an operator with encoded operands; the meaning of the number returned depends on its schema (native/calls.cc). */
export function invoke(op: Operator, ...operands: Encoded[]): number {
  try {
    return engine().call(op.id < 0 ? op.resolve() : op.id, ...operands);
  } finally {
    clearLists();
  }
}

/** The single tensor that an operator returned. */
export function tensorOf(handle: number): Tensor {
  if (handle < 0) throw new TorchError('internal: the operator returned no tensor');
  return adopt(handle);
}

/** Counts the in-place changes of any tensor's shape. A tensor whose cached shape is from another epoch asks again. */
export let shapeEpoch = 0;

/** Makes every cached shape stale, after an operator whose effect on shapes is not known. */
export function invalidateShapes(): void {
  shapeEpoch++;
}

/** After an in-place operator, which leaves a description of `self` in the record: makes cached shapes stale if its shape changed. */
export function refreshed<T extends { readonly shape: readonly number[] }>(self: T): T {
  const { shape } = self;
  const rank = record[0] ?? 0;
  let isSame = shape.length === rank;
  for (let i = 0; isSame && i < rank; i++) isSame = shape[i] === record[3 + i];
  if (!isSame) invalidateShapes();
  return self;
}

/** The next tensor of a call with several results. Throws TorchError when it has no value. */
export function takeTensor(): Tensor {
  return tensorOf(engine().takeTensor());
}

/** The next tensor of a call with several results, undefined when it has no value. */
export function takeOptionalTensor(): Tensor | undefined {
  const handle = engine().takeTensor();
  return handle < 0 ? undefined : adopt(handle);
}

/** The next list of tensors of a call with several results. */
export function takeTensors(): Tensor[] {
  return Array.from({ length: takeNumber() }, takeTensor);
}

/** The next number of a call with several results. */
export function takeNumber(): number {
  return Number(engine().takeValue());
}

/** The next boolean of a call with several results. */
export function takeBoolean(): boolean {
  return engine().takeValue() === true;
}
