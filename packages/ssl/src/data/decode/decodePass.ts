/** One pass over given photos in a given order, without replacing bad ones: for evaluation and for checking a source. */
import type { Config } from '../../config/schema.js';
import { type Ring, ringLayout } from '../ring.js';
import type { BadSample, Source } from '../sources/source.js';
import { DecodePool } from './decodePool.js';
import { type FailedJob, renderJob, type RenderRequest } from './messages.js';

export interface PassOptions {
  readonly request: RenderRequest;
  /** Canvas side of each image that the request makes. */
  readonly canvasPx: readonly number[];
  readonly config: Config['data'];
  /** Photos a chunk. */
  readonly batch: number;
}

/** A chunk of the pass; its pixels stay until the next chunk is asked for. */
export interface PassChunk {
  readonly ring: Ring;
  readonly bank: number;
  /** Readable photos in order: the slot of each, and its position in the source. */
  readonly good: readonly { readonly slot: number; readonly index: number }[];
  readonly bad: readonly BadSample[];
}

const NUM_BANKS = 2;

/** Renders the photos at `indices`; one chunk is decoded while the one before is read. */
export async function* decodePass(
  source: Source,
  indices: readonly number[] | Int32Array,
  { request, canvasPx, config, batch }: PassOptions,
): AsyncGenerator<PassChunk, void, undefined> {
  const chunks = Array.from({ length: Math.ceil(indices.length / batch) }, (_, chunk) =>
    Array.from(indices.slice(chunk * batch, (chunk + 1) * batch)),
  );
  if (chunks.length === 0) return;
  const pool = new DecodePool(config);
  const submit = (chunk: number): Promise<FailedJob[]> => {
    const wanted = chunks[chunk] ?? [];
    const rendering = pool.render(
      chunk % NUM_BANKS,
      wanted.map((index, slot) => renderJob(source, { slot, index, epoch: 0, drawnIndex: index })),
    );
    rendering.catch(() => undefined); // awaited below
    return rendering;
  };
  try {
    const ring = pool.assign({ request, layout: ringLayout(NUM_BANKS, batch, canvasPx), isCached: false });
    let current = submit(0);
    for (const [chunk, wanted] of chunks.entries()) {
      const following = submit(chunk + 1);
      const reasons = new Map((await current).map(({ slot, reason }) => [slot, reason]));
      const slots = wanted.map((index, slot) => ({ slot, index }));
      const good = slots.filter(({ slot }) => !reasons.has(slot));
      const bad = slots.flatMap(({ slot, index }) => {
        const reason = reasons.get(slot);
        const sample = source.samples[index];
        return reason === undefined || sample === undefined
          ? []
          : [{ index, id: sample.id, path: sample.path, reason }];
      });
      yield { ring, bank: chunk % NUM_BANKS, good, bad };
      current = following;
    }
  } finally {
    await pool.close();
  }
}
