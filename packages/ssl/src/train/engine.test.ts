import { availableParallelism } from 'node:os';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { numDecodeProcesses } from '../data/decode/decodePool.js';
import { tinyConfig } from '../run/scratch.case.js';
import { numThreads } from './engine.js';

const CACHE_MB = 16;
const SMALL = 1e6; // bytes of files; decoded they are 16 MB
const config = (...settings: string[]) => tinyConfig('train.threads=0', `data.cacheMB=${CACHE_MB}`, ...settings);

describe('numThreads', () => {
  beforeEach(() => vi.stubEnv('OMP_NUM_THREADS', undefined));
  afterEach(() => vi.unstubAllEnvs());

  it('is what is asked for', () => {
    expect(numThreads(config('train.threads=3'), SMALL)).toBe(3);
  });

  it('is all cores where decoded photos fit into the cache, else what decode processes leave over', () => {
    const cores = availableParallelism();
    expect(numThreads(config(), SMALL)).toBe(cores);
    const left = Math.max(1, cores - numDecodeProcesses(config().data));
    expect(numThreads(config(), SMALL + 1)).toBe(left);
    expect(numThreads(config('data.decodeProcesses=1000'), SMALL + 1)).toBe(1);
  });

  it('is at most OMP_NUM_THREADS, which says nothing where it is no number', () => {
    vi.stubEnv('OMP_NUM_THREADS', '1');
    expect(numThreads(config(), SMALL)).toBe(1);
    vi.stubEnv('OMP_NUM_THREADS', 'all');
    expect(numThreads(config(), SMALL)).toBe(availableParallelism());
  });
});
