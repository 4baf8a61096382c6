import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RunError } from '../errors.js';
import { lockRun } from './lock.js';
import { scratchFolder } from './scratch.case.js';

const scratch = scratchFolder();

interface Owner {
  pid: number;
  host: string;
  startTicks: string;
}

function newRun(): { readonly dir: string; readonly lock: string } {
  const dir = mkdtempSync(join(scratch, 'run-'));
  return { dir, lock: join(dir, 'lock.json') };
}

function ownerIn(lock: string): Owner {
  return JSON.parse(readFileSync(lock, 'utf8')) as Owner;
}

/** What this process writes into a lock. */
function ownOwner(): Owner {
  const { dir, lock } = newRun();
  const unlock = lockRun(dir);
  const owner = ownerIn(lock);
  unlock();
  return owner;
}

describe('lockRun', () => {
  it('lets one living process in, and the next when it gives the lock back', () => {
    const { dir, lock } = newRun();
    const unlock = lockRun(dir);
    expect(() => lockRun(dir)).toThrow(RunError);
    expect(() => lockRun(dir)).toThrow(
      `run: ${dir} must belong to one process, got process ${process.pid} on ${hostname()} at work in it; wait for it`,
    );
    unlock();
    expect(existsSync(lock)).toBe(false);
    lockRun(dir)();
  });

  it('takes over from a process that has ended, and from one whose number another process has now', () => {
    const ended = spawnSync('true');
    for (const owner of [
      { ...ownOwner(), pid: ended.pid },
      { ...ownOwner(), startTicks: '1' },
    ]) {
      const { dir, lock } = newRun();
      writeFileSync(lock, JSON.stringify(owner));
      const unlock = lockRun(dir);
      expect(ownerIn(lock)).toEqual(ownOwner());
      expect(existsSync(`${lock}.takeover`)).toBe(false);
      unlock();
    }
  });

  it('takes over from a zombie, which has ended though its number is still listed', async () => {
    // sleep takes the shell's place and never asks how the shell's child ended.
    const parent = spawn('sh', ['-c', 'sleep 0.05 & echo $!; exec sleep 20']);
    const pid = Number(await new Promise<Buffer>((resolve) => parent.stdout.once('data', resolve)));
    const stateOf = (): string => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? '';
    while (!stateOf().startsWith('Z')) await new Promise((resolve) => setTimeout(resolve, 5));
    const { dir, lock } = newRun();
    writeFileSync(lock, JSON.stringify({ ...ownOwner(), pid, startTicks: stateOf().split(' ')[19] }));
    lockRun(dir)();
    parent.kill();
  });

  it('believes that a process of another machine is at work, and says what to do if not', () => {
    const { dir, lock } = newRun();
    writeFileSync(lock, JSON.stringify({ pid: 1, host: 'elsewhere', startTicks: '1' }));
    expect(() => lockRun(dir)).toThrow(`if that machine is gone, remove ${lock}`);
  });

  it('waits for a lock that is being written, and replaces one that was never finished', () => {
    const { dir, lock } = newRun();
    writeFileSync(lock, '{"pid":');
    expect(() => lockRun(dir)).toThrow('a lock that is being written; try again');
    utimesSync(lock, 0, 0);
    lockRun(dir)();
  });

  it('is not taken over by two at once', () => {
    const { dir, lock } = newRun();
    writeFileSync(lock, JSON.stringify({ ...ownOwner(), startTicks: '1' }));
    writeFileSync(`${lock}.takeover`, JSON.stringify(ownOwner()));
    expect(() => lockRun(dir)).toThrow('was locked by another process just now; try again');
    writeFileSync(`${lock}.takeover`, JSON.stringify({ ...ownOwner(), startTicks: '1' })); // it was killed then
    expect(() => lockRun(dir)).toThrow('try again');
    lockRun(dir)();
  });

  it('is taken over where a crash cut off what was written', () => {
    const { dir, lock } = newRun();
    writeFileSync(lock, 'null'); // no owner
    expect(() => lockRun(dir)).toThrow('a lock that is being written; try again');
    utimesSync(lock, 0, 0);
    writeFileSync(`${lock}.takeover`, '');
    expect(() => lockRun(dir)).toThrow('try again'); // it may be written just now
    utimesSync(`${lock}.takeover`, 0, 0);
    expect(() => lockRun(dir)).toThrow('try again');
    lockRun(dir)();
  });

  it('does not give back a lock that somebody else took meanwhile', () => {
    const { dir, lock } = newRun();
    const unlock = lockRun(dir);
    writeFileSync(lock, JSON.stringify({ pid: 1, host: 'elsewhere', startTicks: '1' }));
    unlock();
    expect(existsSync(lock)).toBe(true);
  });
});
