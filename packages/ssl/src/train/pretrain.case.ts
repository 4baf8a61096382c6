/** Whole runs for tests: how one is stopped, and what is in its folder afterwards. Not a test itself. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadSafetensors } from '@halfway/torch/io';
import { expect } from 'vitest';
import type { MetricRow } from '../protocol/metrics.js';
import { checkpointSteps } from '../run/checkpoint.js';
import { pretrain } from './pretrain.js';
import type { PretrainOptions, PretrainProgress } from './pretrainOptions.js';

export function rowsOf(out: string): MetricRow[] {
  const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as MetricRow);
}

/** Rows without what a clock measured: equal for equal runs, to the bit. */
export function learnedIn(out: string): object[] {
  return rowsOf(out).map(({ imagesPerSecond: _rate, dataWaitMs: _wait, stepMs: _ms, ...learned }) => learned);
}

/** All that a run leaves that must be equal for equal runs: its rows, and a digest of each file of tensors at its end. */
export function outcomeOf(out: string): object {
  const last = join('checkpoints', `step-${checkpointSteps(out).at(-1)}`);
  const files = [
    join('export', 'backbone.safetensors'),
    join(last, 'model.safetensors'),
    join(last, 'optimizer.safetensors'),
  ];
  const digest = (file: string): string =>
    createHash('sha256')
      .update(readFileSync(join(out, file)))
      .digest('hex');
  return { rows: learnedIn(out), files: Object.fromEntries(files.map((file) => [file, digest(file)])) };
}

/** The tensors of a file whose names begin with `prefix`, in hexadecimal by the rest of their name. */
export function bytesOf(path: string, prefix: string): Record<string, string> {
  const { tensors } = loadSafetensors(path);
  const entries = [...tensors].filter(([name]) => name.startsWith(prefix));
  const bytes = entries.map(([name, tensor]) => [
    name.slice(prefix.length),
    Buffer.from(tensor.toBytes()).toString('hex'),
  ]);
  for (const tensor of tensors.values()) tensor.dispose();
  return Object.fromEntries(bytes) as Record<string, string>;
}

/** Starts a run and stops it after the step in which it says what is waited for. */
async function stopWhen(isReached: (progress: PretrainProgress) => boolean, options: PretrainOptions): Promise<void> {
  const controller = new AbortController();
  const stopping = pretrain({
    ...options,
    signal: controller.signal,
    onProgress: (progress) => {
      if (isReached(progress)) controller.abort();
    },
  });
  await expect(stopping).rejects.toThrow(
    /stopped at step \d+ of \d+, saved in .*; the same command with --resume goes on/,
  );
}

/** Starts a run and stops it when the row of `step` is written. */
export async function stopAt(step: number, options: PretrainOptions): Promise<void> {
  await stopWhen((progress) => progress.kind === 'row' && progress.row.step === step, options);
}

/** Starts a run and stops it after step 5, when it says how long it will take: between two rows of a run that logs every 4 steps. */
export async function stopAfterStep5(options: PretrainOptions): Promise<void> {
  await stopWhen((progress) => progress.kind === 'event' && progress.event.kind === 'estimate', options);
}
