// The header of a safetensors file: u64 length (little-endian), then JSON {name: {dtype, shape, data_offsets: [begin, end]}}, padded with
// spaces so that the data begin at a multiple of 8. Offsets count from the end of the header. Knows bytes, no tensors.
// Source: the format's description in the safetensors project; written files are its reference library's to the byte.

import { type DType, elementBytes } from '../dtype.js';
import { structureProblem } from './jsonStructure.js';
import { SafetensorsError } from './safetensorsError.js';

/** What a tensor is, without its values. */
export interface TensorDescription {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Where a tensor lies in the file's data. */
export interface TensorEntry extends TensorDescription {
  readonly beginBytes: number; // from the end of the header
  readonly endBytes: number;
}

export interface SafetensorsHeader {
  readonly entries: readonly TensorEntry[]; // in the order of their bytes
  readonly metadata: Readonly<Record<string, string>>;
}

/** A longer header is refused: no real file comes near, and it would have to be held in memory whole. */
export const MAX_HEADER_BYTES = 100_000_000;

// libtorch's own limit.
const MAX_RANK = 64;

// The file's object, a tensor's object, its lists.
const MAX_JSON_DEPTH = 3;

/** Names in a file. A written file has its tensors in this order, so that every one is aligned to its element. */
const DTYPE_NAMES: Readonly<Partial<Record<DType, string>>> = {
  int64: 'I64',
  float64: 'F64',
  complex64: 'C64',
  float32: 'F32',
  int32: 'I32',
  bfloat16: 'BF16',
  float16: 'F16',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};

const dtypeOrder = Object.keys(DTYPE_NAMES) as readonly DType[];
const dtypes = new Map(dtypeOrder.map((dtype) => [DTYPE_NAMES[dtype], dtype]));

type Fail = (problem: string) => never;

/**
 * Parses and checks a header: known dtypes, sizes that fit shapes, no name twice, and data without holes or overlaps that fill the file.
 * @param header the bytes after the length field
 * @param dataBytes how many bytes the file has after them
 * Throws SafetensorsError.
 */
export function parseHeader(path: string, header: Uint8Array, dataBytes: number): SafetensorsHeader {
  const fail = failIn(path);
  const { __metadata__: metadata = {}, ...tensors } = parseObject(header, fail);
  if (!isStrings(metadata)) return fail(`__metadata__ must be an object of strings, got ${shown(metadata)}`);
  const entries = Object.entries(tensors).map(([name, value]) => parseEntry(name, value, fail));
  entries.sort((a, b) => a.beginBytes - b.beginBytes || a.endBytes - b.endBytes);
  let end = 0;
  for (const { name, beginBytes, endBytes } of entries) {
    if (beginBytes !== end) fail(`${name} must begin where the tensor before it ends (${end}), got ${beginBytes}`);
    end = endBytes;
  }
  if (end !== dataBytes) {
    fail(`the tensors must fill the file's ${dataBytes} data bytes, got ${end}; the file may be truncated`);
  }
  return { entries, metadata };
}

/** Tensors in the order of a written file: by dtype, the wide ones first, then by name. */
export function inFileOrder<T extends TensorDescription>(tensors: readonly T[]): T[] {
  return tensors.toSorted(
    (a, b) =>
      dtypeOrder.indexOf(a.dtype) - dtypeOrder.indexOf(b.dtype) ||
      Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
  );
}

/**
 * The length field and the padded header of these tensors, which lie one after the other in the given order.
 * Throws SafetensorsError for a dtype or name that the format cannot hold.
 */
export function writeHeader(
  path: string,
  tensors: readonly TensorDescription[],
  metadata: Readonly<Record<string, string>>,
): Buffer {
  const fail = failIn(path);
  let offset = 0;
  const entries = tensors.map(({ name, dtype, shape }): [string, unknown] => {
    const written = DTYPE_NAMES[dtype];
    if (written === undefined) {
      return fail(`${name}: dtype must be one of ${dtypeOrder.join(' ')}, got ${dtype}; convert it first`);
    }
    if (name === '__metadata__') return fail('no tensor may be named __metadata__; rename it');
    // A half of a surrogate pair is no character; other readers refuse it.
    if (Buffer.from(name).toString() !== name) return fail(`a name must be Unicode text, got ${JSON.stringify(name)}`);
    const begin = offset;
    offset += sizeBytes(dtype, shape);
    return [name, { dtype: written, shape, data_offsets: [begin, offset] }];
  });
  // By hand: an object would put names that are numbers first.
  const members = [...(Object.keys(metadata).length > 0 ? [['__metadata__', metadata] as const] : []), ...entries];
  const json = Buffer.from(
    `{${members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`,
  );
  if (json.length > MAX_HEADER_BYTES) fail(`the header must fit ${MAX_HEADER_BYTES} bytes, got ${json.length}`);
  const padded = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.length - 8), 0);
  json.copy(padded, 8);
  return padded;
}

/** A function that throws: `path: rule, got values`. */
export function failIn(path: string): Fail {
  return (problem) => {
    throw new SafetensorsError(`${path}: ${problem}`);
  };
}

function parseObject(header: Uint8Array, fail: Fail): Record<string, unknown> {
  let json: string;
  let parsed: unknown;
  try {
    json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    const problem = structureProblem(json, MAX_JSON_DEPTH);
    if (problem !== undefined) return fail(`the header must be flat, with every name once, got ${problem}`);
    parsed = JSON.parse(json);
  } catch (error) {
    if (error instanceof SafetensorsError) throw error;
    return fail(`the header must be JSON, got ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(parsed)) return fail(`the header must be a JSON object, got ${shown(parsed)}`);
  return parsed;
}

function parseEntry(name: string, value: unknown, fail: Fail): TensorEntry {
  if (!isObject(value)) return fail(`${name} must be described by an object, got ${shown(value)}`);
  const { dtype: written, shape, data_offsets: offsets } = value;
  const dtype = typeof written === 'string' ? dtypes.get(written) : undefined;
  if (dtype === undefined) {
    return fail(`${name}: dtype must be one of ${[...dtypes.keys()].join(' ')}, got ${shown(written)}`);
  }
  if (!isSizes(shape) || shape.length > MAX_RANK) {
    return fail(`${name}: shape must be at most ${MAX_RANK} whole numbers from 0, got ${shown(shape)}`);
  }
  if (!isSizes(offsets) || offsets.length !== 2) {
    return fail(`${name}: data_offsets must be two whole numbers, got ${shown(offsets)}`);
  }
  const [beginBytes = 0, endBytes = 0] = offsets;
  const expected = sizeBytes(dtype, shape);
  if (endBytes - beginBytes !== expected) {
    return fail(`${name}: [${shape.join(', ')}] of ${dtype} must have ${expected} bytes, got ${endBytes - beginBytes}`);
  }
  return { name, dtype, shape, beginBytes, endBytes };
}

function sizeBytes(dtype: DType, shape: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, elementBytes(dtype));
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined; // undefined for undefined
  return text === undefined ? 'nothing' : text.slice(0, 80);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((entry) => typeof entry === 'string');
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && (entry as number) >= 0);
}
