/**
 * PyTorch's own files (`.pth`, `.pt`, `.bin`) without Python: both containers that torch.save writes. What a file holds is described at
 * once; elements are read when a tensor is asked for, piece by piece from the file into the tensor.
 *
 * Since PyTorch 1.6 a file is a zip archive: TOP/data.pkl describes, TOP/data/KEY has a storage's elements. Before, and with
 * `_use_new_zipfile_serialization=False`, it is four pickles (a magic number, the protocol, facts of the system, the object), a pickled
 * list of keys, and for each key a count (int64) and the elements. Source: torch/serialization.py.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { elementBytes, empty, OutOfMemoryError, scope, type Tensor } from '@halfway/torch';
import { readTensorBytes } from '@halfway/torch/io';
import { reasonOf } from '../../errors.js';
import { ByteCursor } from './byteCursor.js';
import { type Fail, failIn } from './fail.js';
import { unpickle } from './unpickle.js';
import type { PickledStorage, PickledTensor, PickledValue } from './values.js';
import { type ByteRange, zipEntries } from './zipEntries.js';

/** An open file. */
export interface PthFile {
  readonly value: PickledValue;
  /**
   * Tensors of `value`, in the order given; views of one storage share it, as they did when they were saved.
   * Throws DataError when elements are missing or wrong, OutOfMemoryError when they do not fit.
   */
  read(tensors: readonly PickledTensor[]): Tensor[];
  close(): void;
}

/** A description, and where the elements of each of its storages lie. */
interface Container {
  readonly value: PickledValue;
  readonly elements: ReadonlyMap<string, ByteRange>; // by the storage's key
}

const ZIP_START = Buffer.from('PK\x03\x04');
const PICKLE_START = 0x80; // then the protocol
const LONG_INTEGER = 0x8a; // the magic number, which a file of protocol 2 or 3 begins with
const FRAME = 0x95; // around it from protocol 4 on

/** Whether a file that begins with these four bytes is one of PyTorch's. */
export function isPth(start: Buffer): boolean {
  const [first, protocol = 0, next] = start;
  const isPickle = first === PICKLE_START && protocol >= 2 && protocol <= 5;
  return start.equals(ZIP_START) || (isPickle && next === (protocol < 4 ? LONG_INTEGER : FRAME));
}

/**
 * Opens a file that `isPth`.
 * Throws DataError when it breaks a rule of its container, or holds anything but tensors and plain containers.
 */
export async function openPth(path: string): Promise<PthFile> {
  const fail = failIn(path);
  const file = openSync(path, 'r');
  const close = (): void => closeSync(file);
  try {
    const { size: fileBytes } = fstatSync(file);
    const isLegacy = new ByteCursor(file, 0, fileBytes).byte() === PICKLE_START;
    const { value, elements } = isLegacy ? readLegacy(file, fileBytes, fail) : await readArchive(file, fail);
    return { value, read: (tensors) => scope(() => readTensors(file, tensors, elements, fail)), close };
  } catch (error) {
    close();
    throw error;
  }
}

async function readArchive(file: number, fail: Fail): Promise<Container> {
  const entries = await zipEntries(file, fail);
  const descriptions = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const [description = ''] = descriptions;
  const range = entries.get(description);
  if (range === undefined || descriptions.length > 1) {
    return fail(`an archive of PyTorch's must have one data.pkl, got ${descriptions.length}; is it another zip file?`);
  }
  const top = description.slice(0, -'data.pkl'.length);
  expectLittleEndian(file, entries.get(`${top}byteorder`), fail);
  const prefix = `${top}data/`;
  const elements = [...entries].flatMap(([name, at]): [string, ByteRange][] =>
    name.startsWith(prefix) ? [[name.slice(prefix.length), at]] : [],
  );
  const { value } = unpickle(cursorOver(file, range), fail);
  return { value, elements: new Map(elements) };
}

/** Files without the entry are older than it, and little-endian. */
function expectLittleEndian(file: number, range: ByteRange | undefined, fail: Fail): void {
  if (range === undefined) return;
  const order = cursorOver(file, range).take(Math.min(range.sizeBytes, 16)).toString();
  if (order !== 'little')
    fail(`elements must be little-endian, got ${JSON.stringify(order)}; save the file on such a machine`);
}

function cursorOver(file: number, { startBytes, sizeBytes }: ByteRange): ByteCursor {
  return new ByteCursor(file, startBytes, startBytes + sizeBytes);
}

// torch/serialization.py, MAGIC_NUMBER and PROTOCOL_VERSION.
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;

const COUNT_BYTES = 8;

function readLegacy(file: number, fileBytes: number, fail: Fail): Container {
  const cursor = new ByteCursor(file, 0, fileBytes);
  const [magic, protocol, system] = [1, 2, 3].map(() => unpickle(cursor, fail).value);
  if (magic !== LEGACY_MAGIC || protocol !== LEGACY_PROTOCOL) {
    fail(`a file of PyTorch's must begin with its magic number and protocol ${LEGACY_PROTOCOL}, got others`);
  }
  if (!(system instanceof Map) || system.get('little_endian') !== true) {
    fail('elements must be little-endian, got another order; save the file on such a machine');
  }
  const { value, storages } = unpickle(cursor, fail);
  const keys = unpickle(cursor, fail).value;
  if (!Array.isArray(keys)) return fail('a file must list the keys of its storages, got another value');
  const elements = new Map<string, ByteRange>();
  let positionBytes = cursor.positionBytes;
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined) return fail('a file must hold the storages that its tensors name, got another');
    const range = { startBytes: positionBytes + COUNT_BYTES, sizeBytes: bytesOf(storage) };
    positionBytes = range.startBytes + range.sizeBytes;
    if (positionBytes > fileBytes) {
      return fail(
        `a file must have the ${positionBytes} bytes that its tensors need, got ${fileBytes}; it is truncated`,
      );
    }
    const count = new ByteCursor(file, range.startBytes - COUNT_BYTES, fileBytes).take(COUNT_BYTES).readBigInt64LE();
    if (count !== BigInt(storage.numel))
      fail(`a storage must have the ${storage.numel} elements it says, got ${count}`);
    elements.set(storage.key, range);
  }
  return { value, elements };
}

function readTensors(
  file: number,
  tensors: readonly PickledTensor[],
  elements: ReadonlyMap<string, ByteRange>,
  fail: Fail,
): Tensor[] {
  const read = new Map<string, Tensor>();
  return tensors.map(({ storage, offset, shape, strides }) => {
    const key = `${storage.key} ${storage.dtype} ${storage.numel}`;
    const values = read.get(key) ?? readStorage(file, storage, elements.get(storage.key), fail);
    read.set(key, values);
    try {
      return values.asStrided(shape, strides, offset);
    } catch (error) {
      return fail(
        `a tensor of shape [${shape.join(', ')}] must be a view of its storage, got: ${reasonOf(error)}; the file is damaged`,
      );
    }
  });
}

function readStorage(file: number, storage: PickledStorage, range: ByteRange | undefined, fail: Fail): Tensor {
  const sizeBytes = bytesOf(storage);
  if (range?.sizeBytes !== sizeBytes) {
    return fail(
      `storage ${storage.key} must have ${sizeBytes} bytes, got ${range?.sizeBytes ?? 'none'}; the file is damaged`,
    );
  }
  try {
    const values = empty([storage.numel], { dtype: storage.dtype });
    readTensorBytes(file, range.startBytes, values);
    return values;
  } catch (error) {
    if (error instanceof OutOfMemoryError) throw error;
    return fail(`storage ${storage.key} must be readable, got: ${reasonOf(error)}; the file is damaged`);
  }
}

function bytesOf({ numel, dtype }: PickledStorage): number {
  return numel * elementBytes(dtype);
}
