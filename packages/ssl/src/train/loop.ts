/**
 * The loop: numbers of the step, batch, step, and every n steps: log, look, save, stop. It is handed everything it calls.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { keep, scope } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import type { DeviceBatch } from '../data/batch.js';
import type { HostBatch } from '../data/feed.js';
import type { MetricRow } from '../protocol/metrics.js';
import type { UnloggedSteps } from '../run/checkpoint.js';
import { healthFigures } from './health.js';
import { Meter } from './meter.js';
import { stepParams } from './schedule.js';
import type { TrainState } from './state.js';
import { trainStep, type StepOutput } from './step.js';

/** What the loop is given beside the state. Each hook is called between two steps. */
export interface LoopParts {
  readonly config: Config;
  readonly startStep: number;
  /** Steps since the last row of the run that this one goes on with. */
  readonly unlogged: UnloggedSteps;
  /** Next batch of pixels, in shared memory. */
  readonly nextBatch: () => Promise<HostBatch>;
  /** Pixels to tensors: called inside the step's scope. */
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
  const { config, startStep, nextBatch, toDevice, signal } = parts;
  const { batch, steps, logEvery, checkpointEvery, imagesEvery } = config.train;
  const meter = new Meter(batch, parts.unlogged);
  let paceFromMs = 0;
  for (let step = startStep; step < steps; step++) {
    const params = stepParams(step, config, state.objective);
    const host = await nextBatch();
    const { waitMs, indices } = host;
    const pooled = scope(() => {
      const deviceBatch = toDevice(host);
      host.release();
      const output = trainStep(state, deviceBatch, params);
      meter.add(step + 1, output.scalars, { waitMs, indices });
      carry(state, output);
      return output.pooled;
    });

    const finished = step + 1;
    const isDue = (every: number): boolean => finished === steps || (every > 0 && finished % every === 0);
    if (finished === startStep + 1) paceFromMs = performance.now();
    if (finished === startStep + 1 + PACE_STEPS) {
      parts.onPace((performance.now() - paceFromMs) / PACE_STEPS, finished);
    }
    // A stopped run logs no row of its own: its metrics stay those of a run that was never stopped.
    if (isDue(logEvery)) parts.onRow({ ...meter.read(finished, params), ...healthFigures(pooled) });
    pooled.dispose();
    if (imagesEvery > 0 && isDue(imagesEvery)) await parts.onImages(finished);
    await nextTurn(); // hears Ctrl-C, and messages of the decode processes
    if (isDue(checkpointEvery) || signal.aborted) parts.onCheckpoint(finished, meter.unlogged());
    if (signal.aborted) return finished;
  }
  return steps;
}

/** Puts the step's objective state in the place of the one before, which ends. */
function carry(state: TrainState, { objectiveState }: StepOutput): void {
  const before = state.objectiveState;
  for (const tensor of Object.values(objectiveState)) keep(tensor);
  state.objectiveState = objectiveState;
  const kept = new Set(Object.values(objectiveState));
  for (const tensor of Object.values(before)) if (!kept.has(tensor)) tensor.dispose();
}
