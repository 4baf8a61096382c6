/**
 * Gathers the scalars of steps on the device and reads them once per log interval, which is with the health figures
 * (health.ts) all that the loop copies from the device. Knows no objective: it takes what it is given.
 */
import * as torch from '@halfway/torch';
import { keep, type Tensor } from '@halfway/torch';
import type { MetricRow } from '../protocol/metrics.js';
import type { UnloggedSteps } from '../run/checkpoint.js';
import { DivergedError } from './divergedError.js';
import type { StepClock } from './stepClock.js';
import type { StepParams } from './schedule.js';

interface StepRecord {
  readonly step: number;
  readonly values: Tensor; // f32 [number of names], in no scope
  readonly indices: readonly number[];
}

/** What the loop knows about a batch beside its tensors. */
export interface BatchTimes {
  readonly waitMs: number;
  readonly indices: Int32Array;
}

export interface MeterOptions {
  readonly imagesPerStep: number;
  readonly clock: StepClock;
  /** What a person calls the photo at a position of the source. */
  readonly photoName: (index: number) => string;
  /** Of the checkpoint that the run goes on with. */
  readonly unlogged: UnloggedSteps;
}

export class Meter {
  readonly #imagesPerStep: number;
  readonly #clock: StepClock;
  readonly #photoName: MeterOptions['photoName'];
  #names: readonly string[];
  /** Steps since the last row that were read already: for a checkpoint, or by the run that this one goes on with. */
  #read: (readonly number[])[];
  #records: StepRecord[] = [];
  #numTimed = 0;
  #waitMs = 0;
  #intervalStartMs: number;

  constructor({ imagesPerStep, clock, photoName, unlogged }: MeterOptions) {
    this.#imagesPerStep = imagesPerStep;
    this.#clock = clock;
    this.#photoName = photoName;
    this.#intervalStartMs = clock.nowMs();
    this.#names = unlogged.names;
    this.#read = [...unlogged.rows];
  }

  /** Notes a step's scalars, and its batches; nothing is read. */
  add(step: number, scalars: Readonly<Record<string, Tensor>>, batches: readonly BatchTimes[]): void {
    this.#names = Object.keys(scalars);
    const values = torch.scope(() => keep(torch.stack(Object.values(scalars).map((scalar) => scalar.to('float32')))));
    this.#records.push({ step, values, indices: batches.flatMap(({ indices }) => [...indices]) });
    this.#numTimed += 1;
    for (const { waitMs } of batches) this.#waitMs += waitMs;
  }

  /**
   * The steps since the last row, for a checkpoint.
   * @throws DivergedError as `read` does
   */
  unlogged(): UnloggedSteps {
    return { names: this.#names, rows: this.#readAll() };
  }

  /**
   * The means since the last row, in one read.
   * @param steps finished so far
   * @throws DivergedError naming the first step that was not finite, its terms and its photos
   */
  read(steps: number, { lr, numbers }: Pick<StepParams, 'lr' | 'numbers'>): MetricRow {
    const rows = this.#readAll();
    const mean = (column: number): number => rows.reduce((sum, row) => sum + (row[column] ?? NaN), 0) / rows.length;
    const means = Object.fromEntries(this.#names.map((name, column) => [name, mean(column)]));
    const { finite: _finite, loss = NaN, gradNorm = NaN, ...terms } = means;
    const stepMs = (this.#clock.nowMs() - this.#intervalStartMs) / this.#numTimed;
    const row: MetricRow = {
      step: steps,
      loss,
      ...terms,
      gradNorm,
      lr,
      ...numbers,
      imagesPerSecond: (1000 * this.#imagesPerStep) / stepMs,
      dataWaitMs: this.#waitMs / this.#numTimed,
      stepMs,
    };
    this.#startInterval();
    return row;
  }

  #readAll(): readonly (readonly number[])[] {
    const records = this.#records;
    if (records.length > 0) {
      const rows = torch.scope(() => torch.stack(records.map(({ values }) => values)).toArray() as number[][]);
      this.#throwIfDiverged(rows);
      this.#read.push(...rows);
      for (const { values } of records) values.dispose();
      this.#records = [];
    }
    return this.#read;
  }

  #throwIfDiverged(rows: readonly number[][]): void {
    const finite = this.#names.indexOf('finite');
    const bad = rows.findIndex((row) => row[finite] !== 1);
    const record = this.#records[bad];
    if (record === undefined) return;
    const values = rows[bad] ?? [];
    const culprits = this.#names.filter((name, column) => name !== 'finite' && !Number.isFinite(values[column]));
    const photos = [...new Set(record.indices)].map((index) => this.#photoName(index)); // a small source shows one twice
    throw new DivergedError(record.step, culprits, photos);
  }

  #startInterval(): void {
    this.#read = [];
    this.#numTimed = 0;
    this.#waitMs = 0;
    this.#intervalStartMs = this.#clock.nowMs();
  }
}
