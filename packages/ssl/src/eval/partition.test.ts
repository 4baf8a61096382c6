import { describe, expect, it } from 'vitest';
import { evenSubset, foldsById, hashFraction, partitionById } from './partition.js';

const ids = Array.from({ length: 2000 }, (_, i) => `class${i % 7}/photo${i}.jpg`);

describe('partition', () => {
  it('hashes an id to the same number on every machine, differently for each purpose', () => {
    // sha256("test\0a.jpg") and ("validation\0a.jpg"), first 48 bits over 2^48, computed with Python's hashlib.
    expect(hashFraction('a.jpg', 'test')).toBeCloseTo(0.622106455411437, 14);
    expect(hashFraction('a.jpg', 'validation')).toBeCloseTo(0.9204458894842666, 14);
  });

  it('holds out about the share that was asked for and puts every photo on exactly one side', () => {
    const { kept, heldOut } = partitionById(ids, 0.2, 'test');
    expect(heldOut.length / ids.length).toBeGreaterThan(0.17);
    expect(heldOut.length / ids.length).toBeLessThan(0.23);
    expect([...kept, ...heldOut].sort((a, b) => a - b)).toEqual([...ids.keys()]);
  });

  it('moves no photo when others come, go or change places', () => {
    const testIds = (all: readonly string[]): Set<string> =>
      new Set(Array.from(partitionById(all, 0.2, 'test').heldOut, (i) => all[i] ?? ''));
    const before = testIds(ids);
    const after = testIds([...ids.slice(500).reverse(), 'new/photo.jpg']);
    for (const id of ids.slice(500)) expect(after.has(id)).toBe(before.has(id));
  });

  it('puts two photos with one id into one part', () => {
    const twice = ids.flatMap((id) => [id, id]);
    const { heldOut } = partitionById(twice, 0.2, 'validation');
    const inside = new Set(heldOut);
    for (let i = 0; i < twice.length; i += 2) expect(inside.has(i)).toBe(inside.has(i + 1));
  });

  it('draws validation independently of test', () => {
    const test = new Set(partitionById(ids, 0.2, 'test').heldOut);
    const validation = partitionById(ids, 0.2, 'validation').heldOut;
    const both = validation.filter((i) => test.has(i)).length;
    expect(both / validation.length).toBeLessThan(0.3);
  });

  it('holds out at least one photo of a small set', () => {
    for (let size = 2; size < 12; size++) {
      const { kept, heldOut } = partitionById(ids.slice(0, size), 0.1, 'validation');
      expect(heldOut.length).toBeGreaterThan(0);
      expect(kept.length).toBeGreaterThan(0);
    }
  });

  it('numbers folds 0 to n - 1, each of about the same size', () => {
    const folds = foldsById(ids, 5);
    for (let fold = 0; fold < 5; fold++) expect(folds.filter((f) => f === fold).length).toBeGreaterThan(330);
    expect(Math.max(...folds)).toBe(4);
  });
});

describe('evenSubset', () => {
  const labels = ids.map((_, i) => i % 7);
  const countsOf = (subset: Int32Array, of: readonly number[]): number[] =>
    [0, 1, 2, 3, 4, 5, 6].map((label) => subset.filter((i) => of[i] === label).length);

  it('takes the same number of every class, up to one', () => {
    const subset = evenSubset(ids, labels, 72);
    expect(subset).toHaveLength(72);
    expect(countsOf(subset, labels).sort()).toEqual([10, 10, 10, 10, 10, 11, 11]);
    expect([...subset]).toEqual([...new Set(subset)].sort((a, b) => a - b));
  });

  it('takes all of a class that has fewer, and more of the others', () => {
    const rare = ids.map((_, i) => (i < 3 ? 0 : 1));
    expect(countsOf(evenSubset(ids, rare, 20), rare)).toEqual([3, 17, 0, 0, 0, 0, 0]);
  });

  it('takes photos without classes by hash alone, and the smallest hashes of each class', () => {
    const subset = new Set(evenSubset(ids, [], 50));
    const left = [...ids.keys()].filter((i) => !subset.has(i));
    const hashOf = (i: number): number => hashFraction(ids[i] ?? '', 'subset');
    expect(Math.max(...[...subset].map(hashOf))).toBeLessThan(Math.min(...left.map(hashOf)));
  });

  it('lies within a larger one, whatever the order of the photos', () => {
    const large = new Set(Array.from(evenSubset(ids, labels, 300), (i) => ids[i]));
    const small = evenSubset(ids.toReversed(), labels.toReversed(), 100);
    for (const i of small) expect(large.has(ids.at(-1 - i))).toBe(true);
  });
});
