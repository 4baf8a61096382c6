/** A file of weights by whatever way it was written: names and shapes of tensors, which are read when they are asked for. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import type { Tensor } from '@halfway/torch';
import { loadSafetensors } from '@halfway/torch/io';
import { reasonOf } from '../errors.js';
import { zip } from '../pairs.js';
import { type Fail, failIn } from './pth/fail.js';
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
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true) {
    const what = found?.isDirectory() === true ? 'a folder' : 'none';
    return failIn(path)(`a file of weights must exist, got ${what}; name a .pth or .safetensors file`);
  }
  return isPth(firstBytes(path, 4)) ? openPickled(path) : openSafetensors(path);
}

function firstBytes(path: string, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  const file = openForReading(path);
  try {
    readSync(file, bytes, 0, count, 0);
    return bytes;
  } finally {
    closeSync(file);
  }
}

function openForReading(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    return failIn(path)(`a file of weights must be readable, got ${reasonOf(error)}; change its mode or owner`);
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
  const contents = new Contents(failIn(path));
  try {
    contents.collect(file.value, '', 0);
  } catch (error) {
    file.close();
    throw error;
  }
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

// Deeper containers hold no weights, and a file may nest them without end.
const MAX_DEPTH = 8;

/** No parameter's name comes near. */
const MAX_KEY_LENGTH = 1000;

/** Of all names together: a few bytes of a file can repeat a long key again and again. */
const MAX_NAMES_LENGTH = 2 ** 24;

/** The tensors in a pickled value, by the names of the dicts and lists around them. */
class Contents {
  readonly tensors = new Map<string, PickledTensor>();
  readonly skipped: string[] = [];
  /** A container that stands in a file twice is read once: one that holds itself would have no end. */
  readonly #visited = new Set<PickledValue>();
  #namesLength = 0;

  constructor(readonly fail: Fail) {}

  collect(value: PickledValue, name: string, depth: number): void {
    if (value instanceof PickledTensor) this.tensors.set(this.#counted(name), value);
    else if (value instanceof SkippedObject) this.skipped.push(`${this.#counted(name)} (${value.typeName})`);
    if (!(Array.isArray(value) || value instanceof Map) || depth === MAX_DEPTH || this.#visited.has(value)) return;
    this.#visited.add(value);
    for (const [key, member] of value.entries()) {
      if (typeof key !== 'string' && typeof key !== 'number') continue;
      const text = String(key);
      if (text.length > MAX_KEY_LENGTH) {
        this.fail(
          `a key must have ${MAX_KEY_LENGTH} characters or fewer, got ${text.length}; is it a file of weights?`,
        );
      }
      this.collect(member, depth === 0 ? text : `${name}.${text}`, depth + 1);
    }
  }

  #counted(name: string): string {
    this.#namesLength += name.length;
    if (this.#namesLength <= MAX_NAMES_LENGTH) return name;
    return this.fail(
      `names of tensors must have ${MAX_NAMES_LENGTH} characters together, got more; is it a file of weights?`,
    );
  }
}

function named<Value>(values: ReadonlyMap<string, Value>, name: string): Value {
  const value = values.get(name);
  if (value === undefined) throw new Error(`internal: weights: there is no ${name}`);
  return value;
}
