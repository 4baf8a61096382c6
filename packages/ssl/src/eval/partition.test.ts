import { describe, expect, it } from 'vitest';
import { foldsById, hashFraction, partitionById } from './partition.js';

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
