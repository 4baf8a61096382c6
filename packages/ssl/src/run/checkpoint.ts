/**
 * Checkpoints: RUN/checkpoints/step-N/{model,optimizer}.safetensors and state.json. A folder with that name is complete:
 * it is written under another name, flushed, and renamed.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { elementBytes, OutOfMemoryError, type Tensor } from '@halfway/torch';
import { loadSafetensors, saveSafetensors } from '@halfway/torch/io';
import { RunError, reasonOf } from '../errors.js';
import { makeFolder } from '../makeFolder.js';
import type { EngineFingerprint } from '../protocol/run.js';
import { discard, diskError, flushFolder, requireFreeSpace, writeAtomic } from './files.js';

const CHECKPOINT_VERSION = 1;

/** Scalars of the steps since the last row of metrics, so that the next row is the one of a run that was never stopped. */
export interface UnloggedSteps {
  readonly names: readonly string[];
  readonly rows: readonly (readonly number[])[]; // one row a step, one number a name
}

/** Everything a run needs to go on bit for bit; the data need nothing, being a function of the step. */
export interface Checkpoint {
  readonly step: number; // steps finished
  readonly model: ReadonlyMap<string, Tensor>;
  /** Optimizer state, and the objective's under `objective.`. */
  readonly optimizer: ReadonlyMap<string, Tensor>;
  readonly rngState: Uint8Array;
  readonly unlogged: UnloggedSteps;
  readonly engine: EngineFingerprint;
}

interface StateFile {
  readonly version: number;
  readonly step: number;
  readonly rngState: string; // base64
  readonly unlogged: UnloggedSteps;
  readonly engine: EngineFingerprint;
}

/**
 * Writes a checkpoint, then removes all but the newest `keep`, this one among them.
 * @throws RunError when the disk does not take it; older checkpoints are left as they are
 */
export function writeCheckpoint(runDir: string, checkpoint: Checkpoint, keep: number): string {
  const { step, model, optimizer, rngState, unlogged, engine } = checkpoint;
  const folder = join(runDir, 'checkpoints', `step-${step}`);
  const partial = `${folder}.partial`;
  requireFreeSpace(runDir, sizeBytes([...model.values(), ...optimizer.values()]));
  try {
    rmSync(partial, { recursive: true, force: true });
    makeFolder(partial);
    saveSafetensors(join(partial, 'model.safetensors'), model);
    saveSafetensors(join(partial, 'optimizer.safetensors'), optimizer);
    const state: StateFile = {
      version: CHECKPOINT_VERSION,
      step,
      rngState: Buffer.from(rngState).toString('base64'),
      unlogged,
      engine,
    };
    writeAtomic(join(partial, 'state.json'), `${JSON.stringify(state, undefined, 2)}\n`);
    flushFolder(partial);
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
    flushFolder(join(runDir, 'checkpoints'));
  } catch (error) {
    discard(partial);
    throw diskError(folder, error);
  }
  for (const old of checkpointSteps(runDir).slice(0, -keep)) {
    const path = join(runDir, 'checkpoints', `step-${old}`);
    renameSync(path, `${path}.partial`); // half removed, it must not pass for a checkpoint
    rmSync(`${path}.partial`, { recursive: true, force: true });
  }
  return folder;
}

/** What a kill in the middle of a write left behind. */
export function removePartialCheckpoints(runDir: string): void {
  const folder = join(runDir, 'checkpoints');
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (name.endsWith('.partial')) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function sizeBytes(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { numel, dtype }) => sum + numel * elementBytes(dtype), 0);
}

/** Steps of the complete checkpoints, oldest first. */
export function checkpointSteps(runDir: string): number[] {
  const folder = join(runDir, 'checkpoints');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((name) => (/^step-\d+$/.test(name) ? [Number(name.slice('step-'.length))] : []))
    .sort((a, b) => a - b);
}

/** The newest complete checkpoint; its tensors are in no scope. Throws RunError when there is none, or it is damaged. */
export function readLatestCheckpoint(runDir: string): Checkpoint {
  const step = checkpointSteps(runDir).at(-1);
  if (step === undefined) {
    throw new RunError(
      `run: ${runDir} must hold a checkpoint, got none: it was stopped before its first; start again in another folder`,
    );
  }
  const folder = join(runDir, 'checkpoints', `step-${step}`);
  try {
    const state = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')) as StateFile;
    if (state.version !== CHECKPOINT_VERSION) {
      throw new RunError(
        `run: ${folder} must be of version ${CHECKPOINT_VERSION}, got ${state.version}; use the halfway that made it`,
      );
    }
    return {
      step: state.step,
      model: loadSafetensors(join(folder, 'model.safetensors')).tensors,
      optimizer: loadSafetensors(join(folder, 'optimizer.safetensors')).tensors,
      rngState: new Uint8Array(Buffer.from(state.rngState, 'base64')),
      unlogged: state.unlogged,
      engine: state.engine,
    };
  } catch (error) {
    if (error instanceof RunError || error instanceof OutOfMemoryError) throw error;
    // A whole checkpoint must not be removed because a disk or a permission stands before it.
    if (error instanceof Error && 'code' in error && error.code !== 'ENOENT') {
      throw new RunError(
        `run: the checkpoint ${folder} must be readable, got ${reasonOf(error)}; mend that, then resume`,
      );
    }
    throw new RunError(
      `run: the checkpoint ${folder} must be whole, got ${reasonOf(error)}; remove this folder to go on from the one before`,
    );
  }
}
