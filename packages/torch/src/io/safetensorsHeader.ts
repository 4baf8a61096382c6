// The header of a safetensors file: u64 length (little-endian), then JSON {name: {dtype, shape, data_offsets: [begin, end]}}, padded with
// spaces so that the data begin at a multiple of 8. Offsets count from the end of the header. Knows bytes, no tensors.
// Source: the format's description in the safetensors project.

import { type DType, elementBytes } from '../dtype.js';
import { SafetensorsError } from './safetensorsError.js';

/** Where a tensor lies in the file's data. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly beginBytes: number; // from the end of the header
  readonly endBytes: number;
}

export interface SafetensorsHeader {
  readonly entries: readonly TensorEntry[]; // in the order of their bytes
  readonly metadata: Readonly<Record<string, string>>;
}

/** A longer header is refused: no real file comes near, and it would have to be held in memory whole. */
export const MAX_HEADER_BYTES = 100_000_000;

const DTYPE_NAMES: Readonly<Partial<Record<DType, string>>> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
  complex64: 'C64',
};

const DTYPES = new Map(Object.entries(DTYPE_NAMES).map(([dtype, name]) => [name, dtype as DType]));

/**
 * Parses and checks a header: known dtypes, sizes that fit shapes, and data without holes or overlaps that fill the file.
 * @throws SafetensorsError
 */
export function parseHeader(path: string, json: string, dataBytes: number): SafetensorsHeader {
  const fail = failIn(path);
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    return fail(`the header must be JSON, got ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(parsed)) return fail(`the header must be a JSON object, got ${json.slice(0, 40)}`);
  const { __metadata__: metadata = {}, ...tensors } = parsed;
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    return fail('__metadata__ must be an object of strings');
  }
  const entries = Object.entries(tensors).map(([name, value]) => parseEntry(name, value, fail));
  entries.sort((a, b) => a.beginBytes - b.beginBytes || a.endBytes - b.endBytes);
  let end = 0;
  for (const { name, beginBytes, endBytes } of entries) {
    if (beginBytes !== end) fail(`${name} must begin where the tensor before it ends (${end}), got ${beginBytes}`);
    end = endBytes;
  }
  if (end !== dataBytes)
    fail(`the tensors must fill the file's ${dataBytes} data bytes, got ${end}; the file may be truncated`);
  return { entries, metadata: metadata as Record<string, string> };
}

/** The length field and the padded header of these tensors, which lie one after the other in the given order. */
export function writeHeader(
  path: string,
  tensors: readonly { readonly name: string; readonly dtype: DType; readonly shape: readonly number[] }[],
  metadata: Readonly<Record<string, string>>,
): Buffer {
  let offset = 0;
  const entries = tensors.map(({ name, dtype, shape }) => {
    const written = DTYPE_NAMES[dtype];
    if (written === undefined)
      return failIn(path)(`${name} has dtype ${dtype}, which the format cannot hold; convert it first`);
    if (name === '__metadata__') return failIn(path)('no tensor may be named __metadata__; rename it');
    const begin = offset;
    offset += sizeBytes(dtype, shape);
    return [name, { dtype: written, shape, data_offsets: [begin, offset] }];
  });
  const header = Object.keys(metadata).length > 0 ? [['__metadata__', metadata], ...entries] : entries;
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const padded = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.length - 8), 0);
  json.copy(padded, 8);
  return padded;
}

/** A function that throws: `path: rule, got values`. */
export function failIn(path: string): (problem: string) => never {
  return (problem) => {
    throw new SafetensorsError(`${path}: ${problem}`);
  };
}

function parseEntry(name: string, value: unknown, fail: (problem: string) => never): TensorEntry {
  if (!isObject(value)) return fail(`${name} must be described by an object, got ${JSON.stringify(value)}`);
  const { dtype: written, shape, data_offsets: offsets } = value;
  const dtype = typeof written === 'string' ? DTYPES.get(written) : undefined;
  if (dtype === undefined)
    return fail(`${name}: dtype must be one of ${[...DTYPES.keys()].join(' ')}, got ${JSON.stringify(written)}`);
  if (!isSizes(shape)) return fail(`${name}: shape must be whole numbers from 0, got ${JSON.stringify(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) {
    return fail(`${name}: data_offsets must be two whole numbers, got ${JSON.stringify(offsets)}`);
  }
  const [beginBytes = 0, endBytes = 0] = offsets;
  const expected = sizeBytes(dtype, shape);
  if (endBytes - beginBytes !== expected) {
    return fail(`${name}: [${shape.join(', ')}] of ${dtype} must have ${expected} bytes, got ${endBytes - beginBytes}`);
  }
  return { name, dtype, shape, beginBytes, endBytes };
}

function sizeBytes(dtype: DType, shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, elementBytes(dtype));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && (entry as number) >= 0);
}
