// Python's `x[...]` and `x[...] = value`, made of PyTorch's own operators in the order in which it takes them: numbers, ranges and new
// axes become views one after another; masks and lists of positions go to `index` or `index_put_` at once.
// Source: ATen/TensorIndexing.h of PyTorch 2.15.

import { isTensor } from './adopt.js';
import { full, tensor } from './creation.js';
import { Operator, invoke, tensorOf } from './dispatch.js';
import { ShapeError, TorchError } from './errors.js';
import { shown } from './operands.js';
import { scope } from './scope.js';
import type { Tensor } from './tensor.js';
import type { ReadonlyNested, Scalar } from './values.js';

/** Part of a dimension: from `start` up to but without `end`, every `step`-th; negative bounds count from the end. */
export interface IndexRange {
  /** Default 0. */
  readonly start?: number | undefined;
  /** Default: the dimension's size. */
  readonly end?: number | undefined;
  /** Positive. Default 1. */
  readonly step?: number | undefined;
}

/**
 * What stands between two commas of Python's `x[...]`:
 * a number: one position, negative ones from the end; its dimension goes.
 * `{ start, end, step }`: a range; `':'` the whole dimension; `'...'` as many whole dimensions as the other entries leave.
 * `null`: a new dimension of size 1.
 * An integer tensor, or a nested array of numbers: the positions to gather; several of them broadcast together.
 * A bool tensor, or a nested array of booleans: a mask over as many dimensions as it has; it keeps where it is true.
 * A boolean: a new dimension, of size 1 for true and 0 for false.
 */
export type IndexEntry =
  | number
  | IndexRange
  | ':'
  | '...'
  | null
  | boolean
  | Tensor
  | readonly ReadonlyNested<number>[]
  | readonly ReadonlyNested<boolean>[];

const alias = new Operator('aten::alias');

/** See Tensor.at. */
export function elementsAt(self: Tensor, entries: readonly IndexEntry[]): Tensor {
  return scope(() => {
    const { view, indices } = resolve(self, entries, 'at');
    if (indices.length > 0) return view.index(indices);
    return view === self ? tensorOf(invoke(alias, self.handle)) : view;
  });
}

/** See Tensor.set. */
export function setElementsAt(self: Tensor, entries: readonly IndexEntry[], value: Tensor | Scalar): void {
  scope(() => {
    const { view, indices } = resolve(self, entries, 'set');
    const { dtype, device } = self;
    const source = isTensor(value) ? withoutLeadingOnes(value) : full([], value, { dtype, device });
    if (indices.length > 0) view.indexPut_(indices, source);
    else view.copy_(source);
  });
}

/** A view of a tensor, and what it is still to be indexed with: a tensor for a dimension or, as a mask, for several; undefined for a whole one. */
interface Resolved {
  readonly view: Tensor;
  readonly indices: readonly (Tensor | undefined)[];
}

function resolve(self: Tensor, entries: readonly IndexEntry[], where: string): Resolved {
  const parts = entries.map((entry) => (Array.isArray(entry) ? listTensor(entry, self, where) : entry) as IndexPart);
  const numWhole = self.rank - parts.reduce((sum: number, part) => sum + numDimensions(part), 0);
  const numEllipses = parts.filter((part) => part === '...').length;
  if (numWhole < 0 || numEllipses > 1) {
    const rule = numWhole < 0 ? `${self.rank} indices` : "one '...'";
    const got = numWhole < 0 ? self.rank - numWhole : numEllipses;
    throw new ShapeError(`${where}: a tensor of shape [${self.shape.join(', ')}] takes at most ${rule}, got ${got}`);
  }

  let view = self;
  let dim = 0;
  const indices: (Tensor | undefined)[] = [];
  const pass = (count: number): void => {
    if (indices.length > 0) indices.push(...new Array<undefined>(count).fill(undefined));
    dim += count;
  };
  const gather = (index: Tensor, count: number): void => {
    if (indices.length === 0) indices.push(...new Array<undefined>(dim).fill(undefined));
    indices.push(index);
    dim += count;
  };

  for (const part of parts) {
    const position = positionOf(part);
    if (position !== undefined) view = view.select(dim, position);
    else if (part === '...') pass(numWhole);
    else if (part === ':') pass(1);
    else if (part === null) {
      view = view.unsqueeze(dim);
      pass(1);
    } else if (typeof part === 'boolean' || (isTensor(part) && part.rank === 0)) {
      view = view.unsqueeze(dim);
      gather(listTensor((isTensor(part) ? part.item() !== 0 : part) ? [0] : [], self, where), 1);
    } else if (isTensor(part)) gather(part, numDimensions(part));
    else {
      const { start, end, step } = range(part, where);
      view = view.slice(dim, start, end, step);
      pass(1);
    }
  }
  return { view, indices };
}

/** An entry whose array has become a tensor. */
type IndexPart = Exclude<IndexEntry, readonly unknown[]>;

function listTensor(entries: readonly ReadonlyNested<number | boolean>[], { device }: Tensor, where: string): Tensor {
  const values = (entries as readonly unknown[]).flat(Infinity);
  const hasBooleans = values.some((value) => typeof value === 'boolean');
  const wrong = values.find((value) => (hasBooleans ? typeof value !== 'boolean' : !Number.isSafeInteger(value)));
  if (wrong !== undefined) {
    throw new TorchError(`${where}: an array must hold whole numbers, or booleans, got ${shown(wrong)}`);
  }
  return tensor(entries, { dtype: hasBooleans ? 'bool' : 'int64', device });
}

const isMask = ({ dtype }: Tensor): boolean => dtype === 'bool' || dtype === 'uint8';

/** How many dimensions of the indexed tensor an entry stands for. */
function numDimensions(part: IndexPart): number {
  if (part === '...' || part === null || typeof part === 'boolean') return 0;
  return isTensor(part) && isMask(part) ? part.rank : 1;
}

/** The number of an entry that is one, also as an integer tensor of rank 0. */
function positionOf(part: IndexPart): number | undefined {
  if (typeof part === 'number') return part;
  return isTensor(part) && part.rank === 0 && !isMask(part) ? part.item() : undefined;
}

const rangeKeys = ['start', 'end', 'step'];

function range(part: unknown, where: string): IndexRange {
  if (typeof part === 'object' && part !== null && Object.keys(part).every((key) => rangeKeys.includes(key)))
    return part;
  throw new TorchError(
    `${where}: an index must be a number, { start, end, step }, ':', '...', null, a boolean, a tensor or an array, got ` +
      (typeof part === 'object' ? `{ ${Object.keys(part ?? {}).join(', ')} }` : shown(part)),
  );
}

// PyTorch takes a value of shape [1, 1, 3] for a place of shape [3].
function withoutLeadingOnes(value: Tensor): Tensor {
  const numOnes = value.shape.findIndex((size) => size !== 1);
  const { shape } = value;
  if (numOnes === 0 || shape.length === 0) return value;
  return value.view(numOnes < 0 ? [] : shape.slice(numOnes));
}
