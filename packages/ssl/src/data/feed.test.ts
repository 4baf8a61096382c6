import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { createTransformation } from '../transforms/createTransformation.js';
import type { Config } from '../config/schema.js';
import type { ViewRequest } from './batch.js';
import { DecodePool } from './decode/decodePool.js';
import { Feed, type FeedOptions, type HostBatch } from './feed.js';
import { dataConfig, folderOf, photoSource, picture } from './photos.case.js';
import { openSource } from './sources/openSource.js';
import type { Source } from './sources/source.js';

const rotation = createTransformation('rotation', dataConfig().transform, 16);
const views: ViewRequest[] = [
  { name: 'v1', sizePx: 16 },
  {
    name: 'v2',
    sizePx: 16,
    transformed: { transformation: rotation, intermediates: 2, fill: 'content', sharedCrop: false },
  },
];

/** A batch copied out of the ring, to compare. */
interface Copied {
  readonly step: number;
  readonly indices: number[];
  readonly drawn: HostBatch['drawn'];
  readonly views: Buffer[];
}

async function steps(feed: Feed, count: number): Promise<Copied[]> {
  const copied: Copied[] = [];
  for (let i = 0; i < count; i++) {
    const host = await feed.next();
    copied.push({
      step: host.step,
      indices: [...host.indices],
      drawn: host.drawn,
      views: host.views.map((view) => Buffer.from(view)),
    });
    host.release();
  }
  return copied;
}

async function withFeed<T>(
  source: Source,
  changes: Partial<FeedOptions> & { readonly config?: Config },
  use: (feed: Feed, pool: DecodePool) => Promise<T>,
): Promise<T> {
  const { config = dataConfig() } = changes;
  const pool = new DecodePool(config.data);
  try {
    return await use(new Feed(pool, { source, views, seed: 1, batch: 4, ...changes, config }), pool);
  } finally {
    await pool.close();
  }
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('feed', () => {
  it('gives the same bytes with one process and with three, with a cache and without, from the start and from step 5', async () => {
    const source = await photoSource(10);
    const whole = await withFeed(source, {}, (feed) => steps(feed, 8));
    expect(whole.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    const other = { config: dataConfig({ data: { decodeProcesses: 3, cacheMB: 0 } }) };
    expect(await withFeed(source, other, (feed) => steps(feed, 8))).toEqual(whole);
    expect(await withFeed(source, { startStep: 5 }, (feed) => steps(feed, 3))).toEqual(whole.slice(5));

    const shown = whole.flatMap(({ indices }) => indices);
    expect(new Set(shown.slice(0, 10)).size).toBe(10); // an epoch shows every photo
    const [v1, v2] = whole[0]?.views ?? [];
    expect(v1?.length).toBe(4 * 3 * 16 * 16);
    expect(v2?.length).toBe(4 * 3 * rotation.canvasPx(16) ** 2);
    const again = whole.slice(2).find(({ indices }) => indices[0] === shown[0]);
    expect(again?.views[0]?.equals(v1 ?? Buffer.alloc(0))).not.toBe(true); // other crops in the next epoch
  });

  it('works on fewer photos than a batch', async () => {
    const [first] = await withFeed(await photoSource(3), { batch: 8 }, (feed) => steps(feed, 1));
    expect(first?.drawn.map(({ epoch }) => epoch)).toEqual([0, 0, 0, 1, 1, 1, 2, 2]);
    const image = (slot: number): string =>
      first?.views[0]?.subarray(slot * 768, (slot + 1) * 768).toString('hex') ?? '';
    expect(new Set([0, 1, 2, 3, 4, 5, 6, 7].map(image)).size).toBe(8);
  });

  it('replaces a bad photo by the next good one, whoever finds it, and says which', async () => {
    const jpeg = await picture(0, 30, 30).jpeg().toBuffer();
    const others = { '03.jpg': jpeg.subarray(0, 400), '04.jpg': '<html>', '09.jpg': '' };
    const source = await photoSource(10, others);
    const config = (decodeProcesses: number) => dataConfig({ data: { decodeProcesses, maxBadFraction: 0.3 } });
    const [one, three] = [await run(1), await run(3)];
    async function run(decodeProcesses: number) {
      return withFeed(source, { config: config(decodeProcesses) }, async (feed) => ({
        copied: await steps(feed, 5),
        bad: feed.bad,
      }));
    }
    expect(three.copied).toEqual(one.copied);
    for (const { indices, drawn } of one.copied) {
      indices.forEach((index, slot) =>
        expect(index).toBe(
          new Map([
            [3, 5],
            [4, 5],
            [9, 0],
          ]).get(drawn[slot]?.index ?? 0) ?? drawn[slot]?.index,
        ),
      );
    }
    const reasons = new Map(one.bad.map(({ id, reason }) => [id, reason]));
    expect([...reasons.keys()].sort()).toEqual(['03.jpg', '04.jpg', '09.jpg']);
    expect(reasons.get('04.jpg')).toContain('not a photo');
    expect(reasons.get('09.jpg')).toBe('empty file');
  });

  it('ends with the list of bad photos when they are too many, and on every later call', async () => {
    const source = await photoSource(10, { '03.jpg': 'no photo' });
    await withFeed(source, {}, async (feed) => {
      const reading = steps(feed, 5);
      await expect(reading).rejects.toThrow(
        /at most data\.maxBadFraction 0\.01 .* got 1 of 10 \(10\.0 %\).*, or allow more by data\.maxBadFraction of the recipe or of --set:\n.*03\.jpg: not a photo/,
      );
      await expect(feed.next()).rejects.toThrow('got 1 of 10');
    });
  });

  it('completes the batch when its process is killed, at the cost of one photo', async () => {
    const slow = await sharp({ create: { width: 3000, height: 3000, channels: 3, background: 'green' } })
      .png()
      .toBuffer();
    const source = openSource([folderOf({ '0.png': slow, '1.png': slow, '2.png': slow })]);
    const config = dataConfig({ data: { maxBadFraction: 0.5, cacheMB: 0 } });
    await withFeed(source, { batch: 3, config }, async (feed, pool) => {
      await steps(feed, 1); // it is in the middle of the next ones now
      const [pid = 0] = pool.pids;
      process.kill(pid, 'SIGKILL');
      const [second] = await steps(feed, 1);
      expect(pool.pids).not.toContain(pid);
      expect(feed.bad.length).toBeLessThanOrEqual(1); // none when it was between two photos
      const lost = feed.bad[0]?.index ?? -1;
      expect(second?.indices).toEqual(second?.drawn.map(({ index }) => (index === lost ? (lost + 1) % 3 : index)));
      for (let slot = 0; slot < 3; slot++) expect(second?.views[0]?.[slot * 768 + 256]).toBe(128); // all are green
    });
  });

  it('leaves no process behind, also when it is closed in the middle of a batch', async () => {
    const source = await photoSource(12);
    const config = dataConfig({ data: { decodeProcesses: 2 } });
    const pool = new DecodePool(config.data);
    const feed = new Feed(pool, { source, views, config, seed: 0, batch: 200 });
    const { pids } = pool;
    expect(pids.map(isAlive)).toEqual([true, true]);
    const refused = expect(feed.next()).rejects.toThrow('the decode processes were closed');
    await pool.close();
    await refused;
    expect(pids.map(isAlive)).toEqual([false, false]);
  });

  it('starts and stops again and again under load', { timeout: 600_000 }, async () => {
    const source = await photoSource(6);
    const rounds = Number(process.env['HALFWAY_FEED_ROUNDS'] ?? 3);
    for (let round = 0; round < rounds; round++) {
      await withFeed(source, { seed: round, batch: 16 }, async (feed) => {
        await steps(feed, round % 3);
      });
    }
  });

  it('makes no batch of the end step or after it, and leaves its pool to another feed', async () => {
    const source = await photoSource(10);
    const whole = await withFeed(source, {}, (feed) => steps(feed, 4));
    await withFeed(source, { startStep: 1, endStep: 3 }, async (feed, pool) => {
      expect(await steps(feed, 2)).toEqual(whole.slice(1, 3));
      await expect(feed.next()).rejects.toThrow('internal: feed.next at the end');
      const { pids } = pool;
      const again = { source, views, config: dataConfig(), seed: 1 };
      const [larger] = await steps(new Feed(pool, { ...again, batch: 8, endStep: 1 }), 1); // needs a larger ring
      expect(larger?.indices).toEqual(whole.slice(0, 2).flatMap(({ indices }) => indices));
      expect(await steps(new Feed(pool, { ...again, batch: 4 }), 1)).toEqual(whole.slice(0, 1));
      expect(() => new Feed(pool, { ...again, batch: 4 })).toThrow('in the middle of its jobs');
      expect(pool.pids).toEqual(pids);
    });
  });

  it('says so when all batches are held', async () => {
    await withFeed(await photoSource(4), { batch: 2 }, async (feed) => {
      const held: HostBatch[] = [];
      await expect(
        (async () => {
          for (let i = 0; i < 50; i++) held.push(await feed.next());
        })(),
      ).rejects.toThrow(/internal: feed.next at the end, or with all \d batches unreleased/);
      held[0]?.release();
      held[0]?.release();
      expect((await feed.next()).step).toBe(held.length);
    });
  });
});
