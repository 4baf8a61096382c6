import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memory, tensor, type Tensor } from '@halfway/torch';
import { afterAll, describe, expect, it } from 'vitest';
import { checksumOf, FeatureCache, type FeatureKey } from './featureCache.js';

const root = mkdtempSync(join(tmpdir(), 'halfway-cache-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const key: FeatureKey = { weights: () => 'w1', photos: () => 'p1', protocol: 'I, inside, 50 px' };
const features = (): Map<string, Tensor> =>
  new Map([
    [
      'features',
      tensor([
        [1, 2],
        [3, 4],
      ]),
    ],
    ['indices', tensor(Int32Array.of(0, 7))],
  ]);

/** A cache with one entry, the path of its file, and what it says. */
function filled(name: string): { cache: FeatureCache; path: string; notices: string[] } {
  const notices: string[] = [];
  const dir = join(root, name);
  const cache = new FeatureCache(dir, (text) => notices.push(text));
  cache.store('trained-mean', key, features());
  return { cache, path: join(dir, 'trained-mean.safetensors'), notices };
}

describe('FeatureCache', () => {
  it('gives back what was stored for the same key, and nothing for another label', () => {
    const { cache, notices } = filled('same');
    const stored = cache.load('trained-mean', key);
    expect(stored?.get('features')?.toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(stored?.get('indices')?.dtype).toBe('int32');
    expect(cache.load('trained-cls', key)).toBeUndefined();
    expect(notices).toEqual([]);
  });

  it.each(['weights', 'photos', 'protocol'] as const)('notices that %s changed, and computes again', (part) => {
    const { cache, path, notices } = filled(part);
    const before = memory.stats().liveTensors;
    expect(
      cache.load('trained-mean', { ...key, [part]: part === 'protocol' ? 'another' : () => 'another' }),
    ).toBeUndefined();
    expect(notices).toEqual([`feature cache: ${path} is stale (${part} changed); computing again`]);
    expect(memory.stats().liveTensors).toBe(before);
    expect(cache.load('trained-mean', key)).toBeUndefined(); // the stale file is gone
  });

  it('notices one flipped bit', () => {
    const { cache, path, notices } = filled('bit');
    const bytes = readFileSync(path);
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    expect(cache.load('trained-mean', key)).toBeUndefined();
    expect(notices[0]).toMatch(/is corrupt \(checksum differs\); computing again$/);
  });

  it('notices a file that ends too early', () => {
    const { cache, path, notices } = filled('short');
    truncateSync(path, statSync(path).size - 8);
    expect(cache.load('trained-mean', key)).toBeUndefined();
    expect(notices[0]).toMatch(/cannot be read \(.*\); computing again$/);
  });

  it('says when it cannot write', () => {
    const blocked = join(root, 'blocked');
    writeFileSync(blocked, 'a file where the folder should be');
    chmodSync(blocked, 0o400);
    const notices: string[] = [];
    new FeatureCache(blocked, (text) => notices.push(text)).store('a', key, features());
    expect(notices[0]).toMatch(/cannot be written \(.*\); going on without it$/);
  });
});

describe('checksumOf', () => {
  it('sees names, shapes, dtypes and values, and not the order of entries', () => {
    const [first, second] = [tensor([1, 2, 3, 4]), tensor([5])];
    const sum = checksumOf(
      new Map([
        ['a', first],
        ['b', second],
      ]),
    );
    expect(
      checksumOf(
        new Map([
          ['b', second],
          ['a', first],
        ]),
      ),
    ).toBe(sum);
    expect(
      checksumOf(
        new Map([
          ['c', first],
          ['b', second],
        ]),
      ),
    ).not.toBe(sum);
    expect(
      checksumOf(
        new Map([
          ['a', first.reshape([2, 2])],
          ['b', second],
        ]),
      ),
    ).not.toBe(sum);
    expect(
      checksumOf(
        new Map([
          ['a', first.to('float64')],
          ['b', second],
        ]),
      ),
    ).not.toBe(sum);
    expect(
      checksumOf(
        new Map([
          ['a', first.add(1e-6)],
          ['b', second],
        ]),
      ),
    ).not.toBe(sum);
  });
});
