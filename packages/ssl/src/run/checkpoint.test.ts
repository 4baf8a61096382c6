import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { RunError } from '../errors.js';
import { checkpointSteps, readLatestCheckpoint, removePartialCheckpoints, writeCheckpoint } from './checkpoint.js';
import type { Checkpoint } from './checkpoint.js';
import { requireFreeSpace } from './files.js';
import { manifestOf, scratchFolder, tinyConfig } from './scratch.case.js';

const scratch = scratchFolder();

function newRun(): string {
  const dir = mkdtempSync(join(scratch, 'run-'));
  mkdirSync(join(dir, 'checkpoints'));
  return dir;
}

/** Writes a checkpoint whose weights are the step's number. */
function write(dir: string, step: number, keep = 10): string {
  return torch.scope(() => {
    const checkpoint: Checkpoint = {
      step,
      model: new Map([['encoder.weight', torch.full([2, 3], step)]]),
      optimizer: new Map([
        ['network.decay.0.exp_avg', torch.full([2, 3], -step)],
        ['objective.centre', torch.full([3], step / 7)],
      ]),
      rngState: Uint8Array.of(1, 2, 255),
      unlogged: { names: ['loss', 'finite'], rows: [[Math.fround(0.1), 1]] },
      engine: manifestOf(tinyConfig()).engine,
    };
    return writeCheckpoint(dir, checkpoint, keep);
  });
}

describe('checkpoints', () => {
  it('give back what was written, to the bit', () => {
    const dir = newRun();
    write(dir, 7);
    const read = readLatestCheckpoint(dir);
    expect([read.step, read.unlogged.rows, read.unlogged.names]).toEqual([
      7,
      [[Math.fround(0.1), 1]],
      ['loss', 'finite'],
    ]);
    expect([...read.rngState]).toEqual([1, 2, 255]);
    expect(read.engine).toEqual(manifestOf(tinyConfig()).engine);
    expect(read.model.get('encoder.weight')?.toArray()).toEqual([
      [7, 7, 7],
      [7, 7, 7],
    ]);
    expect(read.optimizer.get('objective.centre')?.toArray()).toEqual([1, 1, 1]);
    for (const tensor of [...read.model.values(), ...read.optimizer.values()]) tensor.dispose();
  });

  it('keep the newest ones, by step and not by name', () => {
    const dir = newRun();
    for (const step of [0, 8, 9, 10]) write(dir, step, 2);
    expect(checkpointSteps(dir)).toEqual([9, 10]);
    expect(readdirSync(join(dir, 'checkpoints')).sort()).toEqual(['step-10', 'step-9']);
  });

  it('that were not finished are not read, and are removed', () => {
    const dir = newRun();
    write(dir, 3);
    mkdirSync(join(dir, 'checkpoints', 'step-6.partial'));
    expect(checkpointSteps(dir)).toEqual([3]);
    removePartialCheckpoints(dir);
    expect(readdirSync(join(dir, 'checkpoints'))).toEqual(['step-3']);
  });

  it('that are damaged are an error that says which folder to remove', () => {
    const dir = newRun();
    write(dir, 3);
    const folder = write(dir, 6);
    truncateSync(join(folder, 'model.safetensors'), 90);
    expect(() => readLatestCheckpoint(dir)).toThrow(RunError);
    expect(() => readLatestCheckpoint(dir)).toThrow(
      new RegExp(
        `^run: the checkpoint ${folder} must be whole, got .*; remove this folder to go on from the one before$`,
      ),
    );
    writeFileSync(join(folder, 'state.json'), '{"version": 9}');
    expect(() => readLatestCheckpoint(dir)).toThrow('must be of version 1, got 9');
  });

  it('that do not fit into memory, or cannot be read, are not said to be damaged', () => {
    const dir = newRun();
    const folder = write(dir, 3);
    const { budgetBytes } = torch.memory.stats();
    torch.memory.setBudget(torch.memory.stats().liveBytes + 1);
    expect(() => readLatestCheckpoint(dir)).toThrow(torch.OutOfMemoryError);
    torch.memory.setBudget(budgetBytes);
    rmSync(join(folder, 'state.json'));
    mkdirSync(join(folder, 'state.json')); // EISDIR, for one
    expect(() => readLatestCheckpoint(dir)).toThrow(/must be readable, got EISDIR.*; mend that, then resume$/);
  });

  it('are wanted before a run can go on', () => {
    expect(() => readLatestCheckpoint(newRun())).toThrow('must hold a checkpoint, got none');
  });

  it('leave nothing behind where they cannot be written', () => {
    const dir = newRun();
    mkdirSync(join(dir, 'checkpoints', 'step-2.partial', 'state.json.partial'), { recursive: true }); // cleared away first
    write(dir, 2);
    expect(checkpointSteps(dir)).toEqual([2]);
    const file = join(scratch, 'a-file');
    writeFileSync(file, '');
    expect(() => write(file, 2)).toThrow(/must be writable, got ENOTDIR/);
    expect(existsSync(join(file, 'checkpoints'))).toBe(false);
  });

  it('need their bytes free on the disk', () => {
    expect(() => requireFreeSpace(scratch, 1e18)).toThrow(
      new RegExp(
        `^run: the disk of ${scratch} must have 1000000000000 MB free for checkpoints, got \\d+ MB; make room`,
      ),
    );
    requireFreeSpace(scratch, 1);
  });
});
