import { describe, expect, it } from 'vitest';
import {
  type DType,
  DtypeError,
  type IndexEntry,
  ShapeError,
  type Tensor,
  TensorDisposedError,
  TorchError,
  arange,
  grad,
  memory,
  scope,
  tensor,
  zeros,
} from './index.js';
import { loadSafetensors } from './io/index.js';
import { fixturePath } from './testing/fixture.case.js';

/** An entry of a case; fixtures/indexing.py says what they mean. */
type StoredEntry =
  | Exclude<IndexEntry, Tensor>
  | { readonly tensor: number[] | boolean[] | boolean; readonly dtype: DType; readonly shape?: readonly number[] };

interface Case {
  readonly shape: readonly number[];
  readonly index: readonly StoredEntry[];
  readonly value?: number | readonly number[];
  readonly result: readonly number[] | null;
}

const { tensors, metadata } = loadSafetensors(fixturePath('indexing'));
const cases = JSON.parse(metadata['cases'] ?? '') as readonly Case[];
const stored = tensors.get('numbers')?.toArray() as number[];

const countOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
const numbered = (shape: readonly number[], first: number, step: number) =>
  tensor(
    Float64Array.from({ length: countOf(shape) }, (_, i) => first + step * i),
    { shape, requiresGrad: true },
  );
const weight = (shape: readonly number[]) =>
  tensor(
    Float64Array.from({ length: countOf(shape) }, (_, i) => ((i * 7) % 5) - 2),
    { shape },
  );
/** Without negative zeros, which the fixture's numbers may not have. */
const flat = (x: Tensor) => (x.reshape([-1]).toArray() as number[]).map((value) => value + 0);

function entryOf(entry: StoredEntry): IndexEntry {
  if (typeof entry !== 'object' || entry === null || !('tensor' in entry)) return entry;
  return tensor(entry.tensor, { dtype: entry.dtype, ...(entry.shape && { shape: entry.shape }) });
}

/** What the case gives, as its numbers in the fixture. */
function run({ shape, index, value }: Case): { readonly shape: readonly number[]; readonly numbers: number[] } {
  const x = numbered(shape, 0, 1);
  const entries = index.map(entryOf);
  if (value === undefined) {
    const part = x.at(...entries);
    part.mul(weight(part.shape)).sum().backward();
    return { shape: part.shape, numbers: [...flat(part), ...flat(x.grad ?? x)] };
  }
  const source = typeof value === 'number' ? value : numbered(value, -1, -1);
  const changed = x.clone().set(entries, source);
  changed.mul(weight(shape)).sum().backward();
  const ofSource = typeof source === 'number' ? [] : flat(source.grad ?? source.mul(0));
  return { shape: changed.shape, numbers: [...flat(changed), ...flat(x.grad ?? x), ...ofSource] };
}

describe('at and set equal PyTorch', () => {
  let start = 0;
  const calls = cases.map((item) => {
    const { shape, value, result } = item;
    const count =
      result === null ? 0 : countOf(result) + countOf(shape) + (Array.isArray(value) ? countOf(value as number[]) : 0);
    const expected = stored.slice(start, start + count);
    start += count;
    return { item, expected, text: `${JSON.stringify(shape)} ${JSON.stringify(item.index)} ${JSON.stringify(value)}` };
  });

  it('the fixture is read to its end', () => {
    expect(start).toBe(stored.length);
    expect(cases.length).toBe(800);
  });

  it.each(calls.filter(({ item }) => item.result !== null))('$text', ({ item, expected }) => {
    scope(() => {
      const { shape, numbers } = run(item);
      expect(shape).toEqual(item.result);
      expect(numbers).toEqual(expected);
    });
  });

  it.each(calls.filter(({ item }) => item.result === null))('$text is refused', ({ item }) => {
    expect(() => scope(() => run(item).numbers)).toThrow(TorchError);
  });
});

describe('at', () => {
  const x = arange(12).reshape([3, 4]);

  it('gives views, which share memory, unless positions or a mask gather', () => {
    const y = zeros([3, 4]);
    y.at(1, { start: 1, end: 3 }).fill_(5);
    y.at([0, 2]).fill_(9);
    y.at(y.gt(4)).fill_(9);
    expect(y.toArray()).toEqual([
      [0, 0, 0, 0],
      [0, 5, 5, 0],
      [0, 0, 0, 0],
    ]);
  });

  it('without entries, or with whole dimensions only, is another handle of the same memory', () => {
    const y = zeros([2]);
    const [first, second] = [y.at(), y.at('...', ':')];
    first.dispose();
    second.fill_(3);
    expect(y.toArray()).toEqual([3, 3]);
  });

  it('takes nested arrays, as positions and as masks', () => {
    expect(x.at([[0], [2]], [[1, 3]]).toArray()).toEqual([
      [1, 3],
      [9, 11],
    ]);
    const corners = [true, false, false, true];
    const none = corners.map(() => false);
    expect(x.at([corners, none, corners]).toArray()).toEqual([0, 3, 8, 11]);
  });

  it('accumulates gradients of positions taken twice', () => {
    const leaf = tensor([1, 2, 3], { requiresGrad: true });
    leaf.at([1, 1, 0]).sum().backward();
    expect(leaf.grad?.toArray()).toEqual([1, 2, 0]);
  });

  it('has second derivatives', () => {
    const leaf = tensor([1, 2, 3], { requiresGrad: true });
    const [first = leaf] = grad([leaf.at({ start: 1 }).pow(3).sum()], [leaf], { createGraph: true });
    const [second] = grad([first.at([1, 2, 2]).sum()], [leaf]);
    expect(second?.toArray()).toEqual([0, 12, 36]);
  });

  it('refuses what is no index, with the rule', () => {
    const wrong = (entry: unknown) => entry as number;
    expect(() => x.at(0, 0, 0)).toThrow(ShapeError);
    expect(() => x.at(0, 0, 0)).toThrow(/^at: a tensor of shape \[3, 4\] takes at most 2 indices, got 3$/);
    expect(() => x.at('...', 0, '...')).toThrow(/takes at most one '\.\.\.', got 2/);
    expect(() => x.at(3)).toThrow(/^select: .*index 3 out of range for tensor of size \[3, 4\] at dimension 0/);
    expect(() => x.at(0.5)).toThrow(/index must be a whole number within 2\^53, got 0.5/);
    expect(() => x.at({ step: -1 })).toThrow(/step must be positive/);
    expect(() => x.at(wrong({ stop: 2 }))).toThrow(/^at: an index must be a number, .*, got { stop }$/);
    expect(() => x.at(wrong('1:2'))).toThrow(/got "1:2"$/);
    expect(() => x.at(wrong(undefined))).toThrow(TorchError);
    expect(() => x.at([0, 5])).toThrow(ShapeError);
    expect(() => x.at([0, 0.5])).toThrow(/^at: an array must hold whole numbers, or booleans, got 0.5$/);
    expect(() => x.at([[wrong(true)], [1]])).toThrow(/got 1$/);
    expect(() => x.at(wrong(10n))).toThrow(/got 10$/);
    expect(() => x.at([true, false])).toThrow(ShapeError);
    expect(() => x.at(tensor([0.5]))).toThrow(TorchError);
    const gone = zeros([2]);
    gone.dispose();
    expect(() => gone.at(0)).toThrow(TensorDisposedError);
  });

  it('leaves nothing but its result', () => {
    const { liveTensors } = memory.stats();
    const part = x.at(null, [0, 1], { start: 1 }, true);
    expect(memory.stats().liveTensors).toBe(liveTensors + 1);
    part.dispose();
    expect(() => x.at(null, 0, 9)).toThrow();
    expect(memory.stats().liveTensors).toBe(liveTensors);
  });
});

describe('set', () => {
  it('takes one entry or an array of them, and gives the tensor', () => {
    const x = zeros([2, 3]);
    expect(x.set(0, 1)).toBe(x);
    x.set([1, 2], 7).set([[0, 1], 1], -1);
    expect(x.toArray()).toEqual([
      [1, -1, 1],
      [0, -1, 7],
    ]);
    x.set(x.lt(0), 0).set('...', tensor([1, 2, 3]));
    expect(x.toArray()).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  // As PyTorch 2.15: `x[0] = 2.5` of integers takes the whole part, and a number too large is an error.
  it('converts a number to the dtype of the tensor', () => {
    const x = zeros([3], { dtype: 'int64' });
    x.set(0, 2.5)
      .set([[1]], true)
      .set(2, 2n ** 60n);
    expect(x.toArray('bigint')).toEqual([2n, 1n, 2n ** 60n]);
    expect(() => zeros([1], { dtype: 'uint8' }).set(0, 300)).toThrow(/uint8_t without overflow/);
    const z = zeros([2], { dtype: 'complex64' }).set(1, { re: 1, im: -2 });
    expect(z.at(1).item('complex')).toEqual({ re: 1, im: -2 });
    expect(() => zeros([1]).set(0, { re: 1, im: -2 })).toThrow(TorchError);
  });

  it('a tensor is converted at a view, and must be of the dtype at positions', () => {
    const x = zeros([2]);
    expect(x.set(0, tensor(3n)).toArray()).toEqual([3, 0]);
    expect(() => x.set([[0]], tensor(3n))).toThrow(DtypeError);
  });

  it('refuses a value that does not fit, and a leaf that requires gradients', () => {
    expect(() => zeros([2, 3]).set(0, tensor([1, 2]))).toThrow(ShapeError);
    expect(() => zeros([2, 3]).set([0, 0, 0], 1)).toThrow(/^set: .* at most 2 indices, got 3/);
    const leaf = tensor([1, 2], { requiresGrad: true });
    expect(() => leaf.set(0, 1)).toThrow(/leaf Variable that requires grad/);
  });
});

describe('iteration', () => {
  it('gives the entries of the first dimension, with gradients', () => {
    const x = tensor(
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      { requiresGrad: true },
    );
    const sums: number[] = [];
    for (const row of x) sums.push(row.sum().item());
    expect(sums).toEqual([3, 7, 11]);
    const [first, ...others] = x;
    expect([first?.shape, others.length]).toEqual([[2], 2]);
    first?.sum().backward();
    expect(x.grad?.toArray()).toEqual([
      [1, 1],
      [0, 0],
      [0, 0],
    ]);
    expect([...zeros([0, 2])]).toEqual([]);
    expect(() => [...tensor(1)]).toThrow(new TypeError('a tensor of rank 0 has no entries to iterate over'));
  });
});
