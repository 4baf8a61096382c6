/**
 * Pickles as PyTorch writes them, read into values that can do nothing. The operations are those of protocol 2 that PyTorch's own
 * restricted reader knows (torch/_weights_only_unpickler.py); another one, and every global outside of globals.ts, is refused by name.
 * No operation jumps or repeats, so time and memory are bounded by the pickle's length; whoever walks the value meets what stands in it
 * twice twice.
 *
 * Sources: Python's pickletools.py (operations), PyTorch's torch/serialization.py (persistent ids).
 */
import type { ByteCursor } from './byteCursor.js';
import type { Fail } from './fail.js';
import { CONSTRUCTORS, SKIPPED, STORAGE_DTYPES, storageOf } from './globals.js';
import { PickledGlobal, type PickledStorage, type PickledValue, SkippedObject } from './values.js';

/**
 * A longer pickle is refused: some 160 bytes describe a tensor, so no real file comes near, and the worst that this many bytes can
 * describe (an empty dict a byte) still fits a small machine's memory.
 */
export const MAX_PICKLE_BYTES = 2 ** 23;

const MAX_NAME_BYTES = 1000;

/** What a pickle holds. */
export interface Pickle {
  readonly value: PickledValue;
  /** Every storage that the value's tensors are views of, by key. */
  readonly storages: ReadonlyMap<string, PickledStorage>;
}

/**
 * Reads the pickle that begins at the cursor, which then stands behind it.
 * @param fail throws; told what is wrong with the pickle
 */
export function unpickle(cursor: ByteCursor, fail: Fail): Pickle {
  const machine = new Machine(cursor, fail);
  const endBytes = cursor.positionBytes + MAX_PICKLE_BYTES;
  try {
    for (;;) {
      const code = String.fromCharCode(cursor.byte());
      if (code === '.') return { value: machine.pop(), storages: machine.storages };
      const operation = OPERATIONS.get(code);
      if (operation === undefined) {
        return fail(`a pickle must have the operations that torch.save writes, got ${JSON.stringify(code)}`);
      }
      operation(machine);
      if (cursor.positionBytes > endBytes) return fail(`a pickle must end within ${MAX_PICKLE_BYTES} bytes, got more`);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return fail(`a pickle must be whole, got ${error.message}; the file is truncated or damaged`);
  }
}

/** A stack of values, marks in it, and values remembered by number: pickletools.py's machine. */
class Machine {
  readonly memo = new Map<number, PickledValue>();
  readonly storages = new Map<string, PickledStorage>();
  readonly #stack: PickledValue[] = [];
  /** Heights of the stack at the marks. */
  readonly #marks: number[] = [];

  constructor(
    readonly cursor: ByteCursor,
    readonly fail: Fail,
  ) {}

  push(value: PickledValue): void {
    this.#stack.push(value);
  }

  pop(): PickledValue {
    const value = this.#stack.length > (this.#marks.at(-1) ?? 0) ? this.#stack.pop() : undefined;
    return value === undefined ? this.fail('an operation of a pickle must have its operands, got too few') : value;
  }

  top(): PickledValue {
    const value = this.pop();
    this.push(value);
    return value;
  }

  /** The last `count` values, oldest first. */
  popMany(count: number): PickledValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** The values since the last mark. */
  popToMark(): PickledValue[] {
    const height = this.#marks.pop() ?? this.fail('an operation of a pickle must have its mark, got none');
    return this.#stack.splice(height);
  }
}

const OPERATIONS: ReadonlyMap<string, (machine: Machine) => void> = new Map([
  // Protocol, and values that are their own text.
  ['\x80', (m) => expectProtocol(m)],
  ['N', (m) => m.push(null)],
  ['\x88', (m) => m.push(true)],
  ['\x89', (m) => m.push(false)],
  ['K', (m) => m.push(m.cursor.byte())],
  ['M', (m) => m.push(m.cursor.take(2).readUInt16LE())],
  ['J', (m) => m.push(m.cursor.take(4).readInt32LE())],
  ['\x8a', (m) => m.push(longInteger(m.cursor.take(m.cursor.byte())))],
  ['G', (m) => m.push(m.cursor.take(8).readDoubleBE())],
  ['X', (m) => m.push(text(m))],
  ['U', (m) => m.push(m.cursor.take(m.cursor.byte()).toString('latin1'))],
  // Containers.
  ['(', (m) => m.mark()],
  [')', (m) => m.push([])],
  ['\x85', (m) => m.push(m.popMany(1))],
  ['\x86', (m) => m.push(m.popMany(2))],
  ['\x87', (m) => m.push(m.popMany(3))],
  ['t', (m) => m.push(m.popToMark())],
  [']', (m) => m.push([])],
  ['a', (m) => append(m, m.popMany(1))],
  ['e', (m) => append(m, m.popToMark())],
  ['}', (m) => m.push(new Map())],
  ['s', (m) => setItems(m, m.popMany(2))],
  ['u', (m) => setItems(m, m.popToMark())],
  // Values remembered.
  ['q', (m) => m.memo.set(m.cursor.byte(), m.top())],
  ['r', (m) => m.memo.set(m.cursor.take(4).readUInt32LE(), m.top())],
  ['h', (m) => recall(m, m.cursor.byte())],
  ['j', (m) => recall(m, m.cursor.take(4).readUInt32LE())],
  // What Python would look up and call.
  ['c', (m) => m.push(global(m))],
  ['Q', (m) => m.push(storage(m))],
  ['R', (m) => m.push(made(m))],
  ['\x81', (m) => m.push(made(m))],
  ['b', (m) => build(m)],
]);

/** 3 has the operations of 2 where there are no bytes. */
const NEWEST_PROTOCOL = 3;

function expectProtocol({ cursor, fail }: Machine): void {
  const protocol = cursor.byte();
  if (protocol <= NEWEST_PROTOCOL) return;
  fail(
    `a pickle must be of protocol 2, which torch.save has by default, got ${protocol}; save it again without pickle_protocol`,
  );
}

function global({ cursor, fail }: Machine): PickledGlobal {
  const name = `${cursor.line(MAX_NAME_BYTES)}.${cursor.line(MAX_NAME_BYTES)}`;
  if (CONSTRUCTORS.has(name) || SKIPPED.has(name) || STORAGE_DTYPES.has(name)) return new PickledGlobal(name);
  return fail(
    `a file of weights must hold tensors and plain containers, got ${JSON.stringify(name)}, which was not run; ` +
      'if you trust the file, load it in PyTorch and save its state_dict alone',
  );
}

function storage(machine: Machine): PickledStorage {
  const found = storageOf(machine.pop(), machine.fail);
  machine.storages.set(found.key, found);
  return found;
}

/** The result of a call or of a new object: a container, a tensor, or the name of what was left out. */
function made(machine: Machine): PickledValue {
  const [type, args] = machine.popMany(2);
  if (type instanceof PickledGlobal && Array.isArray(args)) {
    if (SKIPPED.has(type.name)) return new SkippedObject(type.name);
    const construct = CONSTRUCTORS.get(type.name);
    if (construct !== undefined) return construct(args, machine.fail);
  }
  return machine.fail('a pickle must call only what makes tensors and plain containers, got another value');
}

/** Attributes of the last value. Those of an OrderedDict are a module's `_metadata`, which nobody needs. */
function build(machine: Machine): void {
  machine.pop();
  const target = machine.top();
  if (!(target instanceof Map || target instanceof SkippedObject)) {
    machine.fail('a pickle must set attributes only of an OrderedDict, got another value');
  }
}

function append(machine: Machine, values: readonly PickledValue[]): void {
  const list = machine.top();
  if (list instanceof SkippedObject) return;
  if (!Array.isArray(list)) return machine.fail('a pickle must append to a list, got another value');
  for (const value of values) list.push(value);
}

function setItems(machine: Machine, items: readonly PickledValue[]): void {
  const dict = machine.top();
  if (dict instanceof SkippedObject) return;
  if (!(dict instanceof Map)) return machine.fail('a pickle must set items of a dict, got another value');
  for (let i = 0; i < items.length; i += 2) {
    const [key, value] = [items[i], items[i + 1]];
    if (key === undefined || value === undefined) return machine.fail('an item must have a key and a value, got one');
    dict.set(key, value);
  }
}

function recall(machine: Machine, number: number): void {
  const value = machine.memo.get(number);
  machine.push(value === undefined ? machine.fail(`a pickle must recall what it remembered, got ${number}`) : value);
}

function text({ cursor }: Machine): string {
  const sizeBytes = cursor.take(4).readUInt32LE();
  if (sizeBytes > MAX_PICKLE_BYTES) throw new RangeError(`a text of ${sizeBytes} bytes`);
  return cursor.take(sizeBytes).toString();
}

/** A whole number in two's complement, little-endian; a bigint where it is beyond 2^53. */
function longInteger(bytes: Buffer): number | bigint {
  const digits = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex') || '0'}`);
  const value = BigInt.asIntN(8 * bytes.length, digits);
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
