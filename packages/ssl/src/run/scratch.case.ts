/** Folders for tests, removed with the test file that made them, and a configuration that trains in milliseconds. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { parseConfig } from '../config/parse.js';
import type { Config } from '../config/schema.js';
import { applySettings } from '../config/settings.js';
import type { RunManifest } from '../protocol/run.js';

/** A new empty folder. Call it at the top of a test file. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'halfway-test-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** The smallest run with every part: VICReg and the rotation task at 8 px, 6 steps of 4 photos. */
const TINY = {
  model: { size: 'custom', widthDim: 8, depth: 1, numHeads: 2, patch: 4, imagePx: 8 },
  split: { dim: 8, equivariantDim: 4 },
  vicreg: { expander: [8, 8] },
  recon: { target: 'rotation', lambda: 2 },
  decoder: { channels: 8 },
  train: { batch: 4, steps: 6, logEvery: 2, checkpointEvery: 3, imagesEvery: 0, computeDtype: 'float32', threads: 1 },
  data: { decodeProcesses: 1 },
};

export function tinyConfig(...settings: string[]): Config {
  return parseConfig(applySettings(TINY, settings), 'tiny');
}

/** A manifest of a run that has begun. */
export function manifestOf(config: Config, change: Partial<RunManifest> = {}): RunManifest {
  return {
    version: 1,
    status: 'running',
    step: 0,
    totalSteps: config.train.steps,
    recipe: 'tiny',
    seed: config.train.seed,
    startedAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    parameters: 1,
    engine: {
      ...{ libtorch: '2.15.0', cpuCapability: 'AVX2', threads: 1, computeDtype: 'float32' },
      ...{ float32Precision: 'highest', device: 'cpu' },
    },
    data: { paths: ['photos'], numImages: 3, hash: 'abc' },
    configSha256: 'abc',
    ...change,
  };
}
