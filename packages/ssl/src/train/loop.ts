/**
 * The loop: numbers of the step, its batches, the update, and every n steps: log, look, save, stop. It is handed everything it calls.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { keep, scope } from '@halfway/torch';
import { imagesPerStep } from '../config/peakLr.js';
import type { Config } from '../config/schema.js';
import type { DeviceBatch } from '../data/batch.js';
import type { HostBatch } from '../data/feed.js';
import type { MetricRow } from '../protocol/metrics.js';
import type { UnloggedSteps } from '../run/checkpoint.js';
import { healthFigures } from './health.js';
import { Meter, type BatchTimes } from './meter.js';
import { stepParams, type StepParams } from './schedule.js';
import type { TrainState } from './state.js';
import { StepClock } from './stepClock.js';
import { backward, update, type BatchOutput, type StepOutput } from './step.js';

/** What the loop is given beside the state. Each hook is called between two steps; its time counts for none of them. */
export interface LoopParts {
  readonly config: Config;
  readonly startStep: number;
  /** Steps since the last row of the run that this one goes on with. */
  readonly unlogged: UnloggedSteps;
  /** Next batch of pixels, in shared memory. */
  readonly nextBatch: () => Promise<HostBatch>;
  /** What a person calls the photo at a position of the source. */
  readonly photoName: (index: number) => string;
  /** Pixels to tensors: called inside the batch's scope. */
  readonly toDevice: (host: HostBatch) => DeviceBatch;
  /** Told once, after the first steps. */
  readonly onPace: (stepMs: number, steps: number) => void;
  readonly onRow: (row: MetricRow) => void;
  readonly onImages: (steps: number) => Promise<void>;
  readonly onCheckpoint: (steps: number, unlogged: UnloggedSteps) => void;
  readonly signal: AbortSignal;
}

const PACE_STEPS = 4; // after the first, which sets up kernels and caches

/** Runs from `startStep` to the end, or until the signal; resolves to the number of steps finished. */
export async function trainLoop(state: TrainState, parts: LoopParts): Promise<number> {
  const { config, startStep, nextBatch, signal } = parts;
  const { steps, logEvery, checkpointEvery, imagesEvery } = config.train;
  const clock = new StepClock();
  const meter = new Meter({ ...parts, imagesPerStep: imagesPerStep(config), clock });
  let paceFromMs = 0;
  for (let step = startStep; step < steps; step++) {
    const params = stepParams(step, config, state.objective);
    const batches: FinishedBatch[] = [];
    while (batches.length < params.numBatches) batches.push(runBatch(await nextBatch(), state, params, parts));
    scope(() => {
      const output = update(state, batches, params);
      meter.add(step + 1, output.scalars, batches);
      carry(state, output);
    });

    const finished = step + 1;
    const isDue = (every: number): boolean => finished === steps || (every > 0 && finished % every === 0);
    if (finished === startStep + 1) paceFromMs = clock.nowMs();
    if (finished === startStep + 1 + PACE_STEPS) {
      const stepMs = (clock.nowMs() - paceFromMs) / PACE_STEPS;
      await clock.leaveOut(() => parts.onPace(stepMs, finished));
    }
    // A stopped run logs no row of its own: its metrics stay those of a run that was never stopped.
    const [last] = batches.slice(-1);
    if (isDue(logEvery) && last) {
      const row = { ...meter.read(finished, params), ...encoderRate(params, config) };
      await clock.leaveOut(() => parts.onRow({ ...row, ...healthFigures(last.pooled) }));
    }
    batches.forEach(dispose);
    if (imagesEvery > 0 && isDue(imagesEvery)) {
      meter.unlogged(); // waits for the device: steps that it is still at take no time that is left out
      await clock.leaveOut(() => parts.onImages(finished));
    }
    await nextTurn(); // hears Ctrl-C, and messages of the decode processes
    if (isDue(checkpointEvery) || signal.aborted) {
      const unlogged = meter.unlogged();
      await clock.leaveOut(() => parts.onCheckpoint(finished, unlogged));
    }
    if (signal.aborted) return finished;
  }
  return steps;
}

/** The rate of an encoder that started from weights, which has a schedule of its own. */
function encoderRate({ encoderLr }: StepParams, { init }: Config): { readonly lrEncoder?: number } {
  return init.file === undefined ? {} : { lrEncoder: encoderLr };
}

/** A batch that has added its gradients, and what it took to get. */
type FinishedBatch = BatchOutput & BatchTimes;

/** Pixels to gradients; the memory of the pixels goes back. The tensors are in no scope. */
function runBatch(host: HostBatch, state: TrainState, params: StepParams, { toDevice }: LoopParts): FinishedBatch {
  const { waitMs, indices } = host;
  const output = scope(() => {
    const batch = toDevice(host);
    host.release();
    return backward(state, batch, params);
  });
  return { ...output, waitMs, indices };
}

function dispose({ scalars, objectiveState, pooled }: FinishedBatch): void {
  for (const tensor of [...Object.values(scalars), ...Object.values(objectiveState), pooled]) tensor.dispose();
}

/** Puts the step's objective state in the place of the one before, which ends. */
function carry(state: TrainState, { objectiveState }: StepOutput): void {
  const before = state.objectiveState;
  for (const tensor of Object.values(objectiveState)) keep(tensor);
  state.objectiveState = objectiveState;
  const kept = new Set(Object.values(objectiveState));
  for (const tensor of Object.values(before)) if (!kept.has(tensor)) tensor.dispose();
}
