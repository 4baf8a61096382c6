/** One process a run folder: a lock file that names its owner. A lock whose owner is gone is taken over. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { RunError } from '../errors.js';
import { diskError } from './files.js';

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process in clock ticks since boot: process numbers are used again, this pair is not. */
  readonly startTicks: string;
}

/**
 * Takes the lock of a run folder.
 * @returns a function that gives it back
 * @throws RunError when another living process holds it
 */
export function lockRun(runDir: string): () => void {
  const path = join(runDir, 'lock.json');
  const own: Owner = { pid: process.pid, host: hostname(), startTicks: startTicksOf(process.pid) ?? '' };
  if (!tryCreate(path, own)) {
    const owner = readOwner(path);
    if (owner !== undefined && isAlive(owner)) {
      throw new RunError(
        `run: ${runDir} must belong to one process, got process ${owner.pid} on ${owner.host} at work in it; ` +
          'wait for it, or choose another folder with --out',
      );
    }
    rmSync(path, { force: true });
    if (!tryCreate(path, own)) throw new RunError(`run: ${runDir} was locked by another process just now; try again`);
  }
  return () => {
    if (readOwner(path)?.pid === own.pid) rmSync(path, { force: true });
  };
}

function tryCreate(path: string, owner: Owner): boolean {
  try {
    const file = openSync(path, 'wx');
    writeSync(file, `${JSON.stringify(owner)}\n`);
    closeSync(file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw diskError(path, error);
  }
}

function readOwner(path: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Owner;
  } catch {
    return undefined; // being written, or cut off by a crash
  }
}

function isAlive({ pid, host, startTicks }: Owner): boolean {
  return host !== hostname() || startTicksOf(pid) === startTicks;
}

/** Field 22 of /proc/PID/stat; undefined when there is no such process. */
function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
