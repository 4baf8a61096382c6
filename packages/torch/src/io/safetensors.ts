// Reading and writing safetensors files. Tensors are copied on load: a mapped file that is truncated later would end the process with a
// bus error. On disk a file is whole or not there.

import { closeSync, fsyncSync, fstatSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { noGrad } from '../autograd.js';
import { OutOfMemoryError } from '../errors.js';
import { empty } from '../ops.gen.js';
import { keep } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { SafetensorsError } from './safetensorsError.js';
import {
  MAX_HEADER_BYTES,
  type SafetensorsHeader,
  type TensorEntry,
  failIn,
  inFileOrder,
  parseHeader,
  writeHeader,
} from './safetensorsHeader.js';
import { readRange, readTensorBytes, writeAll, writeTensorBytes } from './tensorBytes.js';

/** What a file holds. */
export interface SafetensorsFile {
  /** By name, in the order of the file; on the CPU and in no scope. */
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What to read of a file. */
export interface LoadOptions {
  /** Only these tensors. Default: all. */
  readonly names?: readonly string[];
}

// The length field.
const LENGTH_BYTES = 8;

/**
 * Reads a file, or some of its tensors; the header is checked whole.
 * Throws SafetensorsError when the file breaks a rule of the format or has no tensor of a name asked for; nothing of it is kept then.
 * OutOfMemoryError when the tensors do not fit.
 * @example const { tensors } = loadSafetensors('backbone.safetensors');
 * @example loadSafetensors('backbone.safetensors', { names: ['head.weight'] });
 */
export function loadSafetensors(path: string, { names }: LoadOptions = {}): SafetensorsFile {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return failIn(path)('must be an existing file');
  const file = openSync(path, 'r');
  const tensors = new Map<string, Tensor>();
  try {
    const { header, dataStart } = readHeader(path, file);
    for (const entry of chosenEntries(path, header, names)) {
      tensors.set(entry.name, readTensor(path, file, entry, dataStart));
    }
    return { tensors, metadata: header.metadata };
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose();
    throw error;
  } finally {
    closeSync(file);
  }
}

/**
 * Writes tensors so that the path holds either the old file or the whole new one, also after a power cut: written aside, flushed,
 * renamed. Equal tensors and metadata give equal bytes, whatever the order of the map; tensors may be views and on any device.
 * Throws SafetensorsError for a dtype or name that the format cannot hold, and the system's error when the disk is full.
 * @example saveSafetensors('backbone.safetensors', vit.stateDict(), { format: 'pt' });
 */
export function saveSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const named = inFileOrder(
    Array.from(tensors, ([name, tensor]) => ({ name, dtype: tensor.dtype, shape: tensor.shape, tensor })),
  );
  const header = writeHeader(path, named, metadata);
  const partial = `${path}.${process.pid}.partial`;
  try {
    const file = openSync(partial, 'w');
    try {
      writeAll(file, header);
      for (const { tensor } of named) writeTensorBytes(file, tensor);
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

function readHeader(path: string, file: number): { header: SafetensorsHeader; dataStart: number } {
  const fail = failIn(path);
  const fileBytes = fstatSync(file).size;
  if (fileBytes < LENGTH_BYTES) {
    return fail(`a file must have at least ${LENGTH_BYTES} bytes, got ${fileBytes}; it may be truncated`);
  }
  const headerBytes = new DataView(readRange(file, 0, LENGTH_BYTES).buffer).getBigUint64(0, true);
  if (headerBytes > BigInt(Math.min(MAX_HEADER_BYTES, fileBytes - LENGTH_BYTES))) {
    return fail(
      `the header must fit the file (${fileBytes} bytes) and ${MAX_HEADER_BYTES} bytes, got ${headerBytes}; it is truncated or no safetensors file`,
    );
  }
  const dataStart = LENGTH_BYTES + Number(headerBytes);
  const json = readRange(file, LENGTH_BYTES, Number(headerBytes));
  return { header: parseHeader(path, json, fileBytes - dataStart), dataStart };
}

/** The entries of the names asked for, in the order of the file. */
function chosenEntries(
  path: string,
  { entries }: SafetensorsHeader,
  names?: readonly string[],
): readonly TensorEntry[] {
  if (names === undefined) return entries;
  const missing = new Set(names);
  const chosen = entries.filter(({ name }) => missing.delete(name));
  if (missing.size > 0) {
    const known = entries.map(({ name }) => name).join(', ');
    failIn(path)(`must have the tensors ${[...missing].join(', ')}, got ${known.slice(0, 200)}`);
  }
  return chosen;
}

function readTensor(path: string, file: number, entry: TensorEntry, dataStart: number): Tensor {
  const { name, dtype, shape, beginBytes } = entry;
  let tensor: Tensor | undefined;
  try {
    tensor = keep(noGrad(() => empty(shape, { dtype })));
    readTensorBytes(file, dataStart + beginBytes, tensor);
    return tensor;
  } catch (error) {
    tensor?.dispose();
    if (error instanceof OutOfMemoryError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new SafetensorsError(`${path}: ${name} must be readable, got: ${reason}`, { cause: error });
  }
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
