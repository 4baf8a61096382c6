/**
 * Gathers the scalars of steps on the device and reads them once per log interval: the only device-to-host copy of the
 * loop. Knows no objective: it takes what it is given.
 */
import * as torch from '@halfway/torch';
import { keep, type Tensor } from '@halfway/torch';
import type { MetricRow } from '../protocol/metrics.js';
import { DivergedError } from './divergedError.js';

interface StepRecord {
  readonly step: number;
  readonly values: Tensor; // f32 [number of names], in no scope
  readonly indices: Int32Array;
}

/** What the loop knows about a step beside its tensors. */
export interface StepTimes {
  readonly waitMs: number;
  readonly indices: Int32Array;
}

export class Meter {
  #records: StepRecord[] = [];
  #names: readonly string[] = [];
  #waitMs = 0;
  #intervalStart = performance.now();
  readonly #batch: number;

  constructor(batch: number) {
    this.#batch = batch;
  }

  /** Notes a step's scalars; nothing is read. */
  add(step: number, scalars: Readonly<Record<string, Tensor>>, { waitMs, indices }: StepTimes): void {
    this.#names = Object.keys(scalars);
    const values = torch.scope(() => keep(torch.stack(Object.values(scalars).map((scalar) => scalar.to('float32')))));
    this.#records.push({ step, values, indices });
    this.#waitMs += waitMs;
  }

  /**
   * The means since the last call, in one read.
   * @param steps finished so far
   * @throws DivergedError naming the first step that was not finite, its terms and its photos
   */
  read(steps: number, lr: number): MetricRow {
    const count = this.#records.length;
    const rows = torch.scope(() => torch.stack(this.#records.map(({ values }) => values)).toArray() as number[][]);
    this.#throwIfDiverged(rows);
    const mean = (column: number): number => rows.reduce((sum, row) => sum + (row[column] ?? NaN), 0) / count;
    const {
      finite: _finite,
      loss = NaN,
      gradNorm = NaN,
      ...terms
    } = Object.fromEntries(this.#names.map((name, column) => [name, mean(column)]));
    const now = performance.now();
    const stepMs = (now - this.#intervalStart) / count;
    const row: MetricRow = {
      step: steps,
      loss,
      ...terms,
      gradNorm,
      lr,
      imagesPerSecond: (1000 * this.#batch) / stepMs,
      dataWaitMs: this.#waitMs / count,
      stepMs,
    };
    this.#forget(now);
    return row;
  }

  #throwIfDiverged(rows: readonly number[][]): void {
    const finite = this.#names.indexOf('finite');
    const bad = rows.findIndex((row) => row[finite] !== 1);
    const record = this.#records[bad];
    if (record === undefined) return;
    const values = rows[bad] ?? [];
    const culprits = this.#names.filter((name, column) => name !== 'finite' && !Number.isFinite(values[column]));
    throw new DivergedError(record.step, culprits, record.indices);
  }

  #forget(now: number): void {
    for (const { values } of this.#records) values.dispose();
    this.#records = [];
    this.#waitMs = 0;
    this.#intervalStart = now;
  }
}
