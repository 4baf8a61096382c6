import { describe, expect, it } from 'vitest';
import { BadPhotos, describeBad } from './badPhotos.js';
import type { Source } from './sources/source.js';

function sourceOf(count: number): Source {
  const samples = Array.from({ length: count }, (_, i) => ({
    id: `${i}.jpg`,
    path: `p/${i}.jpg`,
    offsetBytes: 0,
    sizeBytes: 1,
  }));
  return { paths: ['p'], samples, classNames: [], fingerprint: { paths: ['p'], numImages: count, hash: '' } };
}

describe('bad photos', () => {
  it('are replaced by the next good one, around the end', () => {
    const bad = new BadPhotos(sourceOf(5), 1);
    for (const index of [1, 2, 4]) bad.add(index, 'broken');
    expect([0, 1, 2, 3, 4].map((index) => bad.nextGood(index))).toEqual([0, 3, 3, 3, 0]);
  });

  it('are listed once each, in the order in which they were found', () => {
    const bad = new BadPhotos(sourceOf(5), 1);
    for (const index of [3, 1, 3]) bad.add(index, `reason ${index}`);
    expect(bad.list.map(({ index, path }) => [index, path])).toEqual([
      [3, 'p/3.jpg'],
      [1, 'p/1.jpg'],
    ]);
  });

  it('are an error beyond the allowed share, not at it', () => {
    const bad = new BadPhotos(sourceOf(200), 0.01);
    bad.add(7, 'empty file');
    bad.add(8, 'empty file');
    expect(() => bad.check()).not.toThrow();
    bad.add(9, 'empty file');
    expect(() => bad.check()).toThrow(
      /at most data\.maxBadFraction 0\.01 .* got 3 of 200 \(1\.5 %\).*\n {2}p\/7\.jpg: empty file\n/,
    );
  });

  it('are counted among the photos that are asked for', () => {
    const bad = new BadPhotos(sourceOf(1000), 0.01, { numPhotos: 100 });
    for (const index of [1, 2]) bad.add(index, 'empty file');
    expect(() => bad.check()).toThrow(/got 2 of 100 /);
  });

  it('are an error when nothing is left, whatever is allowed', () => {
    const bad = new BadPhotos(sourceOf(1), 1);
    bad.add(0, 'empty file');
    expect(() => bad.check()).toThrow(/got 1 of 1/);
    expect(bad.nextGood(0)).toBe(0);
  });

  it('name the member of an archive, and how many more there are', () => {
    const bad = Array.from({ length: 23 }, (_, index) => ({ index, id: `k${index}.jpg`, path: 'x.tar', reason: 'r' }));
    expect(describeBad(bad)).toMatch(/^ {2}x\.tar \(k0\.jpg\): r\n[^]*\n {2}and 3 more$/);
  });
});
