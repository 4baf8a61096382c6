/** One process a run folder: a lock file that names its owner. A lock whose owner is gone is taken over. */
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { RunError } from '../errors.js';
import { discard, diskError } from './files.js';

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process in clock ticks since boot: process numbers are used again, this pair is not. */
  readonly startTicks: string;
}

const WRITTEN_WITHIN_MS = 5000; // an unreadable lock that is older was cut off by a crash

/**
 * Takes the lock of a run folder.
 * @returns a function that gives it back
 * @throws RunError when another living process holds it, or the folder cannot be written
 */
export function lockRun(runDir: string): () => void {
  const path = join(runDir, 'lock.json');
  const own: Owner = { pid: process.pid, host: hostname(), startTicks: startTicksOf(process.pid) ?? '' };
  if (!tryCreate(path, own)) takeOver(path, own, runDir);
  return () => {
    const { pid, host } = readOwner(path) ?? {};
    if (pid === own.pid && host === own.host) rmSync(path, { force: true });
  };
}

/** Whether a process took the lock of a folder and ended without giving it back. */
export function isLeftLocked(runDir: string): boolean {
  const owner = readOwner(join(runDir, 'lock.json'));
  return owner !== undefined && !isAlive(owner);
}

/** Replaces a dead owner's lock. A second file makes it one process at a time, so that none removes the lock of another. */
function takeOver(path: string, own: Owner, runDir: string): void {
  requireDeadOwner(path, runDir);
  const guard = `${path}.takeover`;
  const tooLate = (): RunError => new RunError(`run: ${runDir} was locked by another process just now; try again`);
  if (!tryCreate(guard, own)) {
    const other = readOwner(guard);
    const isCutOff = other === undefined && existsSync(guard) && isOlderThan(guard, WRITTEN_WITHIN_MS);
    const isLeft = isCutOff || (other !== undefined && !isAlive(other));
    if (isLeft) rmSync(guard, { force: true });
    throw tooLate();
  }
  try {
    requireDeadOwner(path, runDir); // it may have changed hands before we had the guard
    rmSync(path, { force: true });
    if (!tryCreate(path, own)) throw tooLate();
  } finally {
    rmSync(guard, { force: true });
  }
}

function requireDeadOwner(path: string, runDir: string): void {
  const owner = readOwner(path);
  if (owner === undefined) {
    if (isOlderThan(path, WRITTEN_WITHIN_MS)) return;
    throw new RunError(`run: ${runDir} must belong to one process, got a lock that is being written; try again`);
  }
  if (!isAlive(owner)) return;
  const isHere = owner.host === hostname();
  throw new RunError(
    `run: ${runDir} must belong to one process, got process ${owner.pid} on ${owner.host} at work in it; ` +
      `wait for it, or choose another folder with --out${isHere ? '' : `; if that machine is gone, remove ${path}`}`,
  );
}

function tryCreate(path: string, owner: Owner): boolean {
  try {
    const file = openSync(path, 'wx');
    try {
      writeFileSync(file, `${JSON.stringify(owner)}\n`);
    } catch (error) {
      discard(path); // half of one would pass for a lock that is being written
      throw error;
    } finally {
      closeSync(file);
    }
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw diskError(path, error);
  }
}

/** Undefined when the lock is gone, is being written, or was cut off by a crash. */
function readOwner(path: string): Owner | undefined {
  try {
    const owner = JSON.parse(readFileSync(path, 'utf8')) as Partial<Owner> | null;
    const { pid, host, startTicks } = owner ?? {};
    return pid === undefined || host === undefined || startTicks === undefined ? undefined : { pid, host, startTicks };
  } catch {
    return undefined;
  }
}

function isOlderThan(path: string, milliseconds: number): boolean {
  const modifiedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return modifiedMs === undefined || Date.now() - modifiedMs > milliseconds;
}

function isAlive({ pid, host, startTicks }: Owner): boolean {
  return host !== hostname() || startTicksOf(pid) === startTicks;
}

/** Field 22 of /proc/PID/stat; undefined when there is no such process, or it ended and nobody has asked how (a zombie). */
function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // from field 3, the state
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
