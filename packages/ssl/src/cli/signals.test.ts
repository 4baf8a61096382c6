/** A process that hears nothing but signals: the first asks it to stop, a second ends it, whatever it is doing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { stoppable } from './signals.js';

const MODULE = new URL('../../dist/cli/signals.js', import.meta.url).href;

/** Work that notices the request and goes on for ever, as an engine that is in a long operator would. */
const STUBBORN = `
  import { stoppable } from '${MODULE}';
  await stoppable(({ signal }) => new Promise(() => {
    signal.addEventListener('abort', () => console.log('asked'));
    setInterval(() => undefined, 1000);
    console.log('ready');
  }));`;

describe('stoppable', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('asks at the first %s and is ended by a second', async (name) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', STUBBORN], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const lines = child.stdout.setEncoding('utf8')[Symbol.asyncIterator]();
    const words = child.stderr.setEncoding('utf8')[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe('ready\n');
    child.kill(name);
    expect((await lines.next()).value).toBe('asked\n');
    expect((await words.next()).value).toContain('once more ends at once');
    await sleep(400); // the same request that arrives twice is one; a person is slower
    child.kill(name);
    expect(await once(child, 'exit')).toEqual([null, name]);
  });

  it('listens to nothing any more when the work is over, also when it failed', async () => {
    const before = process.listenerCount('SIGINT');
    await stoppable(() => Promise.resolve());
    await expect(stoppable(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});
