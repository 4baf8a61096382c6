import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createSharedMemory } from '@halfway/torch';
import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';
import { folderOf, photoSource, picture } from '../photos.case.js';
import { Ring, ringLayout, SLOT } from '../ring.js';
import { openSource } from '../sources/openSource.js';
import type { Source } from '../sources/source.js';
import { DecodeProcess } from './decodeProcess.js';
import { renderJob } from './messages.js';

const environment = { ...process.env };
const opened: DecodeProcess[] = [];
afterEach(async () => {
  process.env = { ...environment };
  await Promise.all(opened.splice(0).map((decoder) => decoder.close()));
});

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

function newProcess(): { decoder: DecodeProcess; ring: Ring } {
  const layout = ringLayout(1, 4, [8]);
  const memory = createSharedMemory(layout.totalBytes);
  const ring = new Ring(memory.buffer, layout);
  const decoder = new DecodeProcess(memory.fd);
  opened.push(decoder);
  const request = { kind: 'square', sizePx: 8 } as const;
  decoder.assign({ kind: 'assign', request, layout, maxPixels: 1e8, cacheBytes: 0 }, ring);
  return { decoder, ring };
}

const jobsOf = (source: Source, count: number) =>
  Array.from({ length: count }, (_, slot) => renderJob(source, { slot, index: slot, epoch: 0, drawnIndex: slot }));

/** Renders a photo, which shows that the process can work. */
const whenReady = async (decoder: DecodeProcess): Promise<void> => {
  expect(await decoder.render(0, jobsOf(await photoSource(1), 1))).toEqual([]);
};

describe('a decode process', () => {
  it('writes pixels into the ring and answers with the jobs that failed, and why', async () => {
    const { decoder, ring } = newProcess();
    const source = await photoSource(3, { '01.jpg': 'x' });
    expect(await decoder.render(0, jobsOf(source, 3))).toMatchObject([
      { slot: 1, reason: 'not a photo: starts with "x"' },
    ]);
    expect([0, 1, 2].map((slot) => ring.state(0, slot))).toEqual([SLOT.done, SLOT.failed, SLOT.done]);
    expect([0, 1, 2].map((slot) => ring.image(0, slot, 0).some((byte) => byte > 0))).toEqual([true, false, true]);

    const [job] = jobsOf(await photoSource(1), 1);
    if (job === undefined) throw new Error('a job');
    const failed = await decoder.render(0, [
      { ...job, path: '/nowhere.jpg' },
      { ...job, slot: 1, sizeBytes: job.sizeBytes + 9 },
      { ...job, slot: 2, path: '/tmp' },
    ]);
    expect(failed.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('ENOENT: no such file'),
      'the file ends 9 bytes earlier than when it was listed',
      expect.stringContaining('EISDIR'),
    ]);
  });

  it('goes on when the keyboard or the scheduler signals its whole group', async () => {
    const { decoder } = newProcess();
    await whenReady(decoder);
    const { pid = 0 } = decoder;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
    expect(await decoder.render(0, jobsOf(await photoSource(2), 2))).toEqual([]);
    expect(decoder.pid).toBe(pid);
  });

  it('is started again when it dies without work, at no cost', async () => {
    const { decoder } = newProcess();
    await whenReady(decoder);
    const { pid = 0 } = decoder;
    process.kill(pid, 'SIGKILL');
    expect(await decoder.render(0, jobsOf(await photoSource(4), 4))).toEqual([]);
    expect(decoder.pid).not.toBe(pid);
  });

  const slowly = async (): Promise<Source> => {
    const bytes = await sharp({ create: { width: 6000, height: 6000, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    return openSource([folderOf({ '0.png': bytes, '1.jpg': await picture(1, 20, 20).jpeg().toBuffer() })]);
  };
  const whenStarted = async (ring: Ring): Promise<void> => {
    while (ring.state(0, 0) !== SLOT.started) await sleep(2);
  };

  it('costs the photo that it reads when it dies, and no other', async () => {
    const { decoder, ring } = newProcess();
    await whenReady(decoder);
    const rendering = decoder.render(0, jobsOf(await slowly(), 2));
    await whenStarted(ring);
    process.kill(decoder.pid ?? 0, 'SIGSEGV');
    expect(await rendering).toEqual([
      { slot: 0, reason: 'the decode process ended (SIGSEGV) while it read this photo' },
    ]);
    expect([ring.state(0, 0), ring.state(0, 1)]).toEqual([SLOT.failed, SLOT.done]);
  });

  it('is ended when it reads one photo for two checks, and that photo is reported', async () => {
    const { decoder, ring } = newProcess();
    await whenReady(decoder);
    const rendering = decoder.render(0, jobsOf(await slowly(), 2));
    await whenStarted(ring);
    for (let check = 0; check < 3; check++) decoder.endIfStuck();
    expect(await rendering).toEqual([
      { slot: 0, reason: 'the decode process ended (SIGKILL) while it read this photo' },
    ]);
  });

  it('says why it cannot work', async () => {
    process.env['HALFWAY_ADDON'] = '/nowhere/halfway.node';
    await expect(whenReady(newProcess().decoder)).rejects.toThrow(
      /^data: a decode process cannot work: .*halfway\.node/,
    );
  });

  it('is given up when it dies at every start, with what it said', async () => {
    process.env['NODE_OPTIONS'] = '--require=/nowhere/module.cjs';
    await expect(whenReady(newProcess().decoder)).rejects.toThrow(
      /must stay alive, got exit code 1 3 times in a row; [^]*Cannot find module/,
    );
  });

  it('does not outlive a parent that is killed', async () => {
    const source = folderOf({ '0.jpg': await picture(0, 30, 30).jpeg().toBuffer() });
    const built = (path: string): string =>
      pathToFileURL(join(fileURLToPath(new URL('../../../dist/', import.meta.url)), path)).href;
    const program = `
      import { DecodePool } from '${built('data/decode/decodePool.js')}';
      import { Feed } from '${built('data/feed.js')}';
      import { openSource } from '${built('data/sources/openSource.js')}';
      import { configSchema } from '${built('config/schema.js')}';
      const config = configSchema.parse({ data: { decodeProcesses: 2 } });
      const pool = new DecodePool(config.data);
      const feed = new Feed(pool, { source: openSource(['${source}']), views: [{ name: 'v1', sizePx: 64 }], config, seed: 0, batch: 5000 });
      process.stdout.write(pool.pids.join(' '));
      await feed.next();
      setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pids = await new Promise<number[]>((resolve) => {
      parent.stdout.once('data', (text: Buffer) => resolve(text.toString().split(' ').map(Number)));
    });
    expect(pids.map(isAlive)).toEqual([true, true]);
    parent.kill('SIGKILL');
    for (let tries = 0; tries < 600 && pids.some(isAlive); tries++) await sleep(50);
    expect(pids.map(isAlive)).toEqual([false, false]);
  });
});
