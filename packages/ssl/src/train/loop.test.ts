/** The loop with a tiny network, made-up batches, and hooks that the tests choose. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Config } from '../config/schema.js';
import { objectiveBatch } from '../objectives/objective.case.js';
import type { MetricRow } from '../protocol/metrics.js';
import { tinyConfig } from '../run/scratch.case.js';
import { type LoopParts, trainLoop } from './loop.js';
import { createTrainState } from './state.js';

/** Runs a configuration to its end and gives the rows that it logs. */
async function rowsOf(
  config: Config,
  { onBatch, ...hooks }: Partial<LoopParts> & { readonly onBatch?: () => void } = {},
): Promise<MetricRow[]> {
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
    photoName: String,
    toDevice: () => {
      onBatch?.();
      return objectiveBatch(state.objective);
    },
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

describe('trainLoop', () => {
  it('leaves the time of rows, pictures and checkpoints out of that of its steps', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const passes = (ms: number): void => void vi.advanceTimersByTime(ms);
    const paces: number[] = [];
    const rows = await rowsOf(tinyConfig('train.logEvery=2', 'train.imagesEvery=1', 'train.checkpointEvery=3'), {
      onBatch: () => passes(8),
      onRow: () => passes(1000),
      onImages: () => Promise.resolve().then(() => passes(3000)),
      onCheckpoint: () => passes(5000),
      onPace: (stepMs) => {
        paces.push(stepMs);
        passes(7000);
      },
    });
    expect(rows.map(({ step, stepMs, imagesPerSecond }) => [step, stepMs, imagesPerSecond])).toEqual([
      [2, 8, 500],
      [4, 8, 500],
      [6, 8, 500],
    ]);
    expect(paces).toEqual([8]);
  });

  it('logs the rate of an encoder that started from weights, and of no other', async () => {
    const settings = ['train.steps=4', 'train.logEvery=1', 'init.headWarmupFraction=0.5', 'optim.warmupFraction=0'];
    const rows = await rowsOf(tinyConfig(...settings, 'optim.lr=0.001', 'init.file=weights.pth'));
    expect(rows.map(({ lrEncoder }) => lrEncoder)).toEqual([0, 0, expect.closeTo(1e-4, 12), expect.closeTo(5e-5, 12)]);
    for (const row of await rowsOf(tinyConfig(...settings))) expect(row).not.toHaveProperty('lrEncoder');
  });
});
