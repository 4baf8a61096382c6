/** A file of weights by whatever way it was written: names and shapes of tensors, which are read when they are asked for. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { Tensor } from '@halfway/torch';
import { loadSafetensors } from '@halfway/torch/io';
import { zip } from '../pairs.js';
import { failIn } from './pth/fail.js';
import { isPth, openPth } from './pth/openPth.js';
import { PickledTensor, type PickledValue, SkippedObject } from './pth/values.js';

/** Shapes of tensors by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** An open file. */
export interface WeightFile {
  /** Of every tensor; those in dicts and lists below others are `outer.inner`, such as `teacher.backbone.cls_token`. */
  readonly shapes: Shapes;
  /** Objects that are no tensors and were not made, such as `args (argparse.Namespace)`. */
  readonly skipped: readonly string[];
  /** Some of the tensors by name; they belong to the scope around and outlive the file. */
  read(names: readonly string[]): Map<string, Tensor>;
  close(): void;
}

/**
 * Opens a file of PyTorch's or a safetensors file, which its first bytes tell.
 * Throws DataError or SafetensorsError when it is neither, or breaks a rule of its format.
 */
export async function openWeightFile(path: string): Promise<WeightFile> {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    return failIn(path)('a file of weights must exist, got none; name a .pth or .safetensors file');
  }
  return isPth(firstBytes(path, 4)) ? openPickled(path) : openSafetensors(path);
}

function firstBytes(path: string, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  const file = openSync(path, 'r');
  try {
    readSync(file, bytes, 0, count, 0);
    return bytes;
  } finally {
    closeSync(file);
  }
}

/** Read whole, since such a file holds one network and no optimizer. */
function openSafetensors(path: string): WeightFile {
  const { tensors } = loadSafetensors(path);
  return {
    shapes: shapesOf(tensors),
    skipped: [],
    read: (names) => new Map(names.map((name) => [name, named(tensors, name).detach()])),
    close: () => tensors.forEach((tensor) => tensor.dispose()),
  };
}

async function openPickled(path: string): Promise<WeightFile> {
  const file = await openPth(path);
  const contents: Contents = { tensors: new Map(), skipped: [], visited: new Set() };
  collect(file.value, [], contents);
  const { tensors, skipped } = contents;
  return {
    shapes: shapesOf(tensors),
    skipped,
    read: (names) => new Map(zip(names, file.read(names.map((name) => named(tensors, name))))),
    close: () => file.close(),
  };
}

function shapesOf(tensors: ReadonlyMap<string, Tensor | PickledTensor>): Shapes {
  return new Map([...tensors].map(([name, { shape }]) => [name, shape]));
}

interface Contents {
  readonly tensors: Map<string, PickledTensor>;
  readonly skipped: string[];
  /** A container that stands in a file twice is read once: one that holds itself would have no end. */
  readonly visited: Set<PickledValue>;
}

// Deeper containers hold no weights, and a file may nest them without end.
const MAX_DEPTH = 8;

function collect(value: PickledValue, path: readonly string[], contents: Contents): void {
  const name = path.join('.');
  if (value instanceof PickledTensor) contents.tensors.set(name, value);
  else if (value instanceof SkippedObject) contents.skipped.push(`${name} (${value.typeName})`);
  if (!(Array.isArray(value) || value instanceof Map) || path.length === MAX_DEPTH || contents.visited.has(value))
    return;
  contents.visited.add(value);
  for (const [key, member] of value.entries()) {
    if (typeof key === 'string' || typeof key === 'number') collect(member, [...path, String(key)], contents);
  }
}

function named<Value>(values: ReadonlyMap<string, Value>, name: string): Value {
  const value = values.get(name);
  if (value === undefined) throw new Error(`internal: weights: there is no ${name}`);
  return value;
}
