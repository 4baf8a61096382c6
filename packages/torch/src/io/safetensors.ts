// Reading and writing safetensors files. Tensors are copied on load: a mapped file that is truncated later would end the process with a
// bus error. Reads are positional, so files beyond 4 GiB are read too.

import {
  closeSync,
  existsSync,
  fsyncSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fromBytes } from '../creation.js';
import { keep } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { failIn, MAX_HEADER_BYTES, parseHeader, writeHeader, type TensorEntry } from './safetensorsHeader.js';

/** What a file holds. */
export interface SafetensorsFile {
  /** By name, in the order of the file; in no scope. */
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

// One read or write moves at most this much: the system's own limit is 2 GiB.
const CHUNK_BYTES = 2 ** 30;

/**
 * Reads a file whole.
 * @throws SafetensorsError when the file breaks a rule of the format; nothing of it is kept then
 * @example const { tensors } = loadSafetensors('backbone.safetensors');
 */
export function loadSafetensors(path: string): SafetensorsFile {
  if (!existsSync(path)) return failIn(path)('the file must exist');
  const file = openSync(path, 'r');
  const tensors = new Map<string, Tensor>();
  try {
    const { header, dataStart } = readHeader(path, file);
    for (const entry of header.entries) tensors.set(entry.name, readTensor(file, entry, dataStart));
    return { tensors, metadata: header.metadata };
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose();
    throw error;
  } finally {
    closeSync(file);
  }
}

/**
 * Writes tensors so that the path holds either the old file or the whole new one: written aside, flushed, renamed.
 * @throws SafetensorsError for a dtype or name that the format cannot hold, and the system's error when the disk is full
 */
export function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const named = [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const header = writeHeader(path, named, metadata);
  const partial = `${path}.${process.pid}.partial`;
  try {
    const file = openSync(partial, 'w');
    try {
      writeAll(file, header);
      for (const tensor of tensors.values()) writeAll(file, tensor.toBytes());
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
  flushFolder(dirname(path));
}

function readHeader(path: string, file: number): { header: ReturnType<typeof parseHeader>; dataStart: number } {
  const fail = failIn(path);
  const fileBytes = fstatSync(file).size;
  if (fileBytes < 8) return fail(`a file must have at least 8 bytes, got ${fileBytes}; it may be truncated`);
  const headerBytes = readRange(file, 0, 8).readBigUInt64LE(0);
  if (headerBytes > BigInt(MAX_HEADER_BYTES) || Number(headerBytes) > fileBytes - 8) {
    return fail(
      `the header must fit the file (${fileBytes} bytes) and ${MAX_HEADER_BYTES} bytes, got ${headerBytes}; it is truncated or no safetensors file`,
    );
  }
  const dataStart = 8 + Number(headerBytes);
  const json = readRange(file, 8, Number(headerBytes)).toString('utf8');
  return { header: parseHeader(path, json, fileBytes - dataStart), dataStart };
}

function readTensor(file: number, { dtype, shape, beginBytes, endBytes }: TensorEntry, dataStart: number): Tensor {
  return keep(fromBytes(readRange(file, dataStart + beginBytes, endBytes - beginBytes), shape, dtype));
}

function readRange(file: number, position: number, sizeBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes);
  for (let done = 0; done < sizeBytes;) {
    const count = readSync(file, bytes, done, Math.min(CHUNK_BYTES, sizeBytes - done), position + done);
    if (count === 0) throw new Error('internal: safetensors: the file became shorter while it was read');
    done += count;
  }
  return bytes;
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(file, bytes, done, Math.min(CHUNK_BYTES, bytes.length - done));
}

/** Makes the rename itself durable. */
function flushFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
