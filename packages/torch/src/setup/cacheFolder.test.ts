import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cacheFolder, diskError, expectFreeBytes, formatBytes, prepareCacheFolder } from './cacheFolder.js';
import { SetupError } from './errors.js';
import { FakeMachine } from './fakeMachine.case.js';

function failureOf(body: () => void): SetupError {
  try {
    body();
  } catch (error) {
    if (error instanceof SetupError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('cacheFolder', () => {
  const machine = new FakeMachine();
  afterAll(() => {
    machine.remove();
  });

  it('is HALFWAY_CACHE, else XDG_CACHE_HOME, else ~/.cache', () => {
    const HOME = '/home/me';
    expect(cacheFolder({ HOME }).root).toBe('/home/me/.cache/halfway');
    expect(cacheFolder({ HOME, XDG_CACHE_HOME: '/x' }).root).toBe('/x/halfway');
    expect(cacheFolder({ HOME, XDG_CACHE_HOME: 'relative' }).root).toBe('/home/me/.cache/halfway');
    expect(cacheFolder({ HOME, XDG_CACHE_HOME: '/x', HALFWAY_CACHE: '/mine' }).root).toBe('/mine');
  });

  it('says where it cannot write and what to type', () => {
    // A plain file in the way stops root too, whom permissions do not; both kinds of obstacle are one failure.
    machine.write('file', '');
    const blocked = failureOf(() => {
      prepareCacheFolder(cacheFolder({ HALFWAY_CACHE: join(machine.root, 'file/cache') }));
    });
    expect(blocked.failure).toBe('cache-not-writable');
    expect(blocked.message).toMatch(
      /cannot write to the cache folder \S+file\/cache \(ENOTDIR\); .*HALFWAY_CACHE=\S+ npx halfway-torch setup$/,
    );
    const nowhere = failureOf(() => {
      prepareCacheFolder(cacheFolder({ HALFWAY_CACHE: '/proc/halfway/cache' }));
    });
    expect(nowhere.message).toContain('cannot write to the cache folder /proc/halfway/cache (ENOENT); ');
    for (const code of ['EROFS', 'EACCES']) {
      expect(diskError(Object.assign(new Error(), { code }), '/cache')?.message).toContain(`/cache (${code})`);
    }
    if (process.getuid?.() === 0) return;
    const locked = join(machine.root, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o555);
    const refused = failureOf(() => {
      prepareCacheFolder(cacheFolder({ HALFWAY_CACHE: join(locked, 'cache') }));
    });
    expect(refused.failure).toBe('cache-not-writable');
  });

  it('checks free space before anything is written', () => {
    const cache = cacheFolder(machine.env());
    expectFreeBytes(cache, 5, 5);
    const full = failureOf(() => {
      expectFreeBytes(cache, 1.2e9, 300e6);
    });
    expect(full.failure).toBe('disk-full');
    expect(full.message).toMatch(
      /needs 1\.2 GB free while installing, got 300 MB; free some space, or .*npx halfway-torch setup$/,
    );
    expect(diskError(Object.assign(new Error(), { code: 'ENOSPC' }), '/cache')?.failure).toBe('disk-full');
    expect(diskError(new Error('other'), '/cache')).toBeUndefined();
  });

  it('writes bytes as people read them', () => {
    expect([12_000, 539_136_850, 2.7e9].map(formatBytes)).toEqual(['12 kB', '539 MB', '2.7 GB']);
  });
});
