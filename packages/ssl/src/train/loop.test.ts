/** The loop with a tiny network, made-up batches, and hooks that the tests choose. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Config } from '../config/schema.js';
import { objectiveBatch } from '../objectives/objective.case.js';
import type { MetricRow } from '../protocol/metrics.js';
import { tinyConfig } from '../run/scratch.case.js';
import { type LoopParts, trainLoop } from './loop.js';
import { createTrainState } from './state.js';

/** Runs a configuration to its end and gives the rows that it logs. */
async function rowsOf(config: Config, hooks: Partial<LoopParts> = {}): Promise<MetricRow[]> {
  const rows: MetricRow[] = [];
  const state = createTrainState(config, 'float32');
  await trainLoop(state, {
    config,
    startStep: 0,
    unlogged: { names: [], rows: [] },
    nextBatch: () =>
      Promise.resolve({
        ...{ step: 0, views: [], canvasPx: [], drawn: [], waitMs: 0, release: () => undefined },
        indices: Int32Array.of(0, 1, 2, 3),
      }),
    toDevice: () => objectiveBatch(state.objective),
    onPace: () => undefined,
    onImages: () => Promise.resolve(),
    onCheckpoint: () => undefined,
    signal: new AbortController().signal,
    ...hooks,
    onRow: (row) => {
      rows.push(row);
      hooks.onRow?.(row);
    },
  });
  return rows;
}

/** Keeps the process busy, as a picture or a file does. */
function work(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}

describe('trainLoop', () => {
  it('leaves the time of rows, pictures and checkpoints out of that of its steps', async () => {
    const hookMs = 300; // a step takes a few milliseconds, of a busy machine some tens
    const everyStep = ['train.logEvery=1', 'train.imagesEvery=1', 'train.checkpointEvery=1'];
    const paces: number[] = [];
    const rows = await rowsOf(tinyConfig(...everyStep), {
      onRow: () => work(hookMs),
      onImages: () => sleep(hookMs),
      onCheckpoint: () => work(hookMs),
      onPace: (stepMs) => paces.push(stepMs),
    });
    expect(rows.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    // The first step sets up kernels.
    const times = [...rows.slice(1).map(({ stepMs }) => stepMs), ...paces];
    expect(times).toHaveLength(6);
    expect(times.filter((stepMs) => stepMs >= hookMs)).toEqual([]);
    for (const { stepMs, imagesPerSecond } of rows) expect(imagesPerSecond).toBeCloseTo(4000 / stepMs, 6);
  });

  it('logs the rate of an encoder that started from weights, and of no other', async () => {
    const settings = ['train.steps=4', 'train.logEvery=1', 'init.headWarmupFraction=0.5', 'optim.warmupFraction=0'];
    const rows = await rowsOf(tinyConfig(...settings, 'optim.lr=0.001', 'init.file=weights.pth'));
    expect(rows.map(({ lrEncoder }) => lrEncoder)).toEqual([0, 0, expect.closeTo(1e-4, 12), expect.closeTo(5e-5, 12)]);
    for (const row of await rowsOf(tinyConfig(...settings))) expect(row).not.toHaveProperty('lrEncoder');
  });
});
