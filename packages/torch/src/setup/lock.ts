// One set-up at a time in one cache folder. A lock file says who holds it; a holder that is gone is recognised and passed over:
// on this host by its process id and start time, on another host (a shared home) by a heartbeat on the file's modification time.

import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemErrorCode } from './errors.js';

/** Who holds a lock. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process in clock ticks since boot, '' where /proc does not say. */
  readonly startedTicks: string;
  readonly token: string;
}

const heartbeatMs = 5_000;
const silentMs = 60_000;

/**
 * Runs `body` while holding the lock file at `path`; waits while another living process holds it.
 * @param onWait called once with the holder (undefined: not readable) when there is one to wait for
 * @param pollMs how often to look while waiting
 */
export async function withLock<T>(
  path: string,
  body: () => Promise<T>,
  { onWait, pollMs = 500 }: { onWait?: (owner: LockOwner | undefined) => void; pollMs?: number } = {},
): Promise<T> {
  const mine: LockOwner = {
    pid: process.pid,
    host: hostname(),
    startedTicks: startTicks(process.pid),
    token: randomUUID(),
  };
  let hasTold = false;
  while (!tryTake(path, mine)) {
    const owner = readOwner(path);
    if (isGone(path, owner)) {
      removeAbandoned(path, owner);
      continue;
    }
    if (!hasTold) onWait?.(owner);
    hasTold = true;
    await sleep(pollMs);
  }
  const heartbeat = setInterval(() => {
    touch(path);
  }, heartbeatMs).unref();
  try {
    return await body();
  } finally {
    clearInterval(heartbeat);
    if (readOwner(path)?.token === mine.token) rmSync(path, { force: true });
  }
}

/** Takes the lock if it is free: written aside and linked into place, so that nobody ever reads half a lock. */
function tryTake(path: string, mine: LockOwner): boolean {
  const aside = `${path}.${mine.token}`;
  writeFileSync(aside, JSON.stringify(mine));
  try {
    linkSync(aside, path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function isGone(path: string, owner: LockOwner | undefined): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return false; // released in between: simply try again
  if (owner?.host === hostname() && owner.startedTicks !== '') return startTicks(owner.pid) !== owner.startedTicks;
  return Date.now() - stats.mtimeMs > silentMs;
}

/** Moves an abandoned lock away. If a new holder took it since we looked, its lock is put back. */
function removeAbandoned(path: string, seen: LockOwner | undefined): void {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return; // somebody else was faster
    throw error;
  }
  if (readOwner(aside)?.token !== seen?.token) linkSync(aside, path);
  rmSync(aside, { force: true });
}

function readOwner(path: string): LockOwner | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isOwner(value) ? value : undefined;
  } catch {
    return undefined; // gone, or not a lock of ours
  }
}

function isOwner(value: unknown): value is LockOwner {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'host' in value &&
    typeof value.host === 'string' &&
    'startedTicks' in value &&
    typeof value.startedTicks === 'string' &&
    'token' in value &&
    typeof value.token === 'string'
  );
}

/** Field 22 of /proc/PID/stat, or '' when there is no such process (or no /proc). The name in field 2 may hold spaces: count after it. */
function startTicks(pid: number): string {
  try {
    const text = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function touch(path: string): void {
  const now = new Date();
  try {
    utimesSync(path, now, now);
  } catch {
    // A cache folder deleted under us: the step at work will meet it and say so.
  }
}
