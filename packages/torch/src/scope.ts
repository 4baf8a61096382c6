// Who ends a tensor. A tensor belongs to the innermost scope it was made in and ends with it, unless it leaves in the scope's result
// (to the scope around) or is kept. Tensors in no scope live until `dispose`; V8's collector is only their safety net, since it frees
// nothing inside a synchronous loop.

import { isTensor } from './adopt.js';
import { TorchError } from './errors.js';
import { engine } from './native.js';
import { onlyList } from './operands.js';
import type { Tensor } from './tensor.js';

let current: Tensor[] | undefined;

const unscoped = new FinalizationRegistry<number>((handle) => engine().dispose(handle));

/** Notes a new tensor as the current scope's. */
export function track(tensor: Tensor): void {
  if (current === undefined) release(tensor);
  else current.push(tensor);
}

function release(tensor: Tensor): void {
  tensor.isKept = true;
  engine().charge(tensor.handle);
  unscoped.register(tensor, tensor.handle);
}

/**
 * Takes a tensor out of all scopes: it lives until `dispose()`, or until the collector finds it unreachable.
 * @returns the same tensor
 * @example const weight = keep(randn([3, 3]));
 */
export function keep<T extends Tensor>(tensor: T): T {
  if (!isTensor(tensor)) throw new TorchError(`keep: must be given a tensor, got ${typeof tensor}`);
  if (!tensor.isKept) release(tensor);
  return tensor;
}

/**
 * Runs `fn` and disposes every tensor made inside, also when it throws, except those in its result: a tensor, or arrays, plain objects
 * and Maps of tensors. These belong to the scope around. Scopes are synchronous: a promise or a generator as the result is an error.
 * Throws what `fn` throws, and TorchError for a promise or a generator.
 * @example const loss = scope(() => x.sub(y).pow(2).mean());
 */
export function scope<T>(fn: () => T): T {
  const outer = current;
  const own: Tensor[] = [];
  current = own;
  let leaving: ReadonlySet<Tensor> = nothing;
  try {
    const result = fn();
    refuseUnfinished('scope', result);
    leaving = tensorsIn(result);
    return result;
  } finally {
    current = outer;
    endScope(own, leaving);
  }
}

const nothing: ReadonlySet<Tensor> = new Set<Tensor>();

function endScope(own: readonly Tensor[], leaving: ReadonlySet<Tensor>): void {
  const ending: number[] = [];
  for (const tensor of own) {
    if (tensor.isKept) continue;
    if (leaving.size > 0 && leaving.has(tensor)) track(tensor);
    else ending.push(tensor.handle);
  }
  if (ending.length > 0) engine().disposeMany(onlyList(ending));
}

/** Throws when `fn` of a synchronous frame returned a promise or a generator: what it is still to do would run after the frame's end. */
export function refuseUnfinished(where: string, result: unknown): void {
  if (typeof result !== 'object' || result === null || isTensor(result)) return;
  if ('then' in result && typeof result.then === 'function') {
    // The error below is the news: that the promise is rejected, as it may be for want of its tensors, must not end the process.
    Promise.resolve(result).catch(() => undefined);
    throw new TorchError(`${where}: the function must not be async, got a promise; await outside of ${where}`);
  }
  if (/^\[object (Async)?Generator\]$/.test(Object.prototype.toString.call(result))) {
    throw new TorchError(
      `${where}: the function must not be a generator, whose body has not run yet; use ${where} inside of it`,
    );
  }
}

function tensorsIn(result: unknown): ReadonlySet<Tensor> {
  if (typeof result !== 'object' || result === null) return nothing;
  const found = new Set<Tensor>();
  collect(result, found, new Set());
  return found;
}

function collect(value: unknown, found: Set<Tensor>, seen: Set<object>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  if (isTensor(value)) {
    found.add(value);
    return;
  }
  seen.add(value);
  for (const entry of entriesOf(value)) collect(entry, found, seen);
}

function entriesOf(value: object): Iterable<unknown> {
  if (Array.isArray(value)) return value as unknown[];
  if (value instanceof Map) return value.values();
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? (Object.values(value) as unknown[]) : [];
}
