import { spawn } from 'node:child_process';
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { FakeMachine } from './fakeMachine.case.js';
import { type LockOwner, withLock } from './lock.js';

describe('withLock', () => {
  const machine = new FakeMachine();
  afterAll(() => {
    machine.remove();
  });
  let numLocks = 0;
  const newLock = (owner?: Partial<LockOwner>, ageSeconds = 0) => {
    const path = join(machine.root, `lock-${String(++numLocks)}`);
    if (owner === undefined) return path;
    writeFileSync(path, JSON.stringify({ pid: 1, host: hostname(), startedTicks: '1', token: 'other', ...owner }));
    const time = Date.now() / 1000 - ageSeconds;
    utimesSync(path, time, time);
    return path;
  };
  /** 'ran', or 'waited' after long enough to see that the holder is respected. */
  const outcome = async (path: string) => {
    const ran = withLock(path, () => Promise.resolve('ran'), { pollMs: 5 });
    const first = await Promise.race([ran, sleep(60, 'waited')]);
    if (first === 'waited')
      writeFileSync(path, JSON.stringify({ pid: 2 ** 30, host: hostname(), startedTicks: '5', token: 'gone' }));
    await ran;
    expect(existsSync(path)).toBe(false);
    return first;
  };

  it('lets one in at a time, and tells who waits once', async () => {
    const path = newLock();
    let numInside = 0;
    const told: (number | undefined)[] = [];
    const body = async () => {
      expect(++numInside).toBe(1);
      await sleep(20);
      numInside--;
    };
    const onWait = (owner: LockOwner | undefined) => told.push(owner?.pid);
    await Promise.all([1, 2, 3].map(() => withLock(path, body, { onWait, pollMs: 5 })));
    expect(told).toEqual([process.pid, process.pid]);
    expect(existsSync(path)).toBe(false);
  });

  it('is free again after a failure inside', async () => {
    const path = newLock();
    await expect(withLock(path, () => Promise.reject(new Error('inside')))).rejects.toThrow('inside');
    expect(await outcome(path)).toBe('ran');
  });

  it('waits for a living process of this host, and passes over one that was killed', async () => {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
    const stat = readFileSync(`/proc/${String(child.pid)}/stat`, 'utf8');
    const startedTicks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    const owner = { pid: child.pid ?? 0, startedTicks };
    // An old heartbeat is no proof of death where the process can be seen (it may be stopped).
    expect(await outcome(newLock(owner, 3600))).toBe('waited');
    const closed = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await closed;
    expect(await outcome(newLock(owner))).toBe('ran');
  });

  it('passes over a process id that now belongs to another process', async () => {
    expect(await outcome(newLock({ pid: process.pid, startedTicks: '1' }))).toBe('ran');
  });

  it('trusts the heartbeat of another host', async () => {
    expect(await outcome(newLock({ host: 'elsewhere' }))).toBe('waited');
    expect(await outcome(newLock({ host: 'elsewhere' }, 120))).toBe('ran');
  });
});
