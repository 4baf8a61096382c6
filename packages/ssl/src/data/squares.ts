/** Evaluation's fixed view: short side resized to S by antialiased bicubic, central square; through the same decode processes. */
import type { Config } from '../config/schema.js';
import { BadPhotos } from './badPhotos.js';
import { DecodePool } from './decode/decodePool.js';
import { type FailedJob, renderJob } from './decode/messages.js';
import { imageBytes, ringLayout } from './ring.js';
import type { BadSample, Source } from './sources/source.js';

export interface SquareOptions {
  readonly sizePx: number;
  readonly config: Pick<Config, 'data'>;
  /** Photos a chunk. */
  readonly batch?: number;
  /** Told once of each photo that is left out because it cannot be read. */
  readonly onBad?: (bad: BadSample) => void;
}

/** A chunk of squares, copied out of the ring. */
export interface Squares {
  readonly indices: Int32Array; // [n] positions in the source
  readonly pixels: Uint8Array; // [n, 3, S, S]
}

const DEFAULT_BATCH = 64;
const NUM_BANKS = 2;

/**
 * Renders the photos at `indices`, in that order, a chunk at a time; equals torchvision's Resize(S) and CenterCrop(S).
 * A photo that cannot be read is left out (never replaced: its label would not fit).
 *
 * @throws DataError when more than `data.maxBadFraction` of the source is bad.
 */
export async function* renderSquares(
  source: Source,
  indices: readonly number[] | Int32Array,
  options: SquareOptions,
): AsyncGenerator<Squares, void, undefined> {
  const { sizePx, config, batch = DEFAULT_BATCH } = options;
  const numChunks = Math.ceil(indices.length / batch);
  if (numChunks === 0) return;
  const badPhotos = new BadPhotos(source, config.data.maxBadFraction);
  const layout = ringLayout(NUM_BANKS, batch, [sizePx]);
  const pool = await DecodePool.start({
    request: { kind: 'square', sizePx },
    layout,
    config: config.data,
    isCached: false,
  });
  const chunkOf = (chunk: number): number[] => [...indices.slice(chunk * batch, (chunk + 1) * batch)];
  const submit = (chunk: number): Promise<FailedJob[]> => {
    const jobs = chunkOf(chunk).map((index, slot) => renderJob(source, { slot, index, epoch: 0, drawnIndex: index }));
    const rendering = pool.render(chunk % NUM_BANKS, jobs);
    rendering.catch(() => undefined); // awaited below
    return rendering;
  };
  try {
    let current = submit(0);
    for (let chunk = 0; chunk < numChunks; chunk++) {
      const following = chunk + 1 < numChunks ? submit(chunk + 1) : undefined;
      const failed = new Map((await current).map(({ slot, reason }) => [slot, reason]));
      const wanted = chunkOf(chunk);
      const good = wanted.flatMap((_, slot) => (failed.has(slot) ? [] : [slot]));
      for (const [slot, reason] of failed) {
        const index = wanted[slot] ?? 0;
        badPhotos.add(index, reason);
        options.onBad?.({
          index,
          id: source.samples[index]?.id ?? '',
          path: source.samples[index]?.path ?? '',
          reason,
        });
      }
      badPhotos.check();
      const pixels = new Uint8Array(good.length * imageBytes(sizePx));
      good.forEach((slot, i) => pixels.set(pool.ring.image(chunk % NUM_BANKS, slot, 0), i * imageBytes(sizePx)));
      if (good.length > 0) yield { indices: Int32Array.from(good, (slot) => wanted[slot] ?? 0), pixels };
      if (following !== undefined) current = following;
    }
  } finally {
    await pool.close();
  }
}
