/** Evaluation's fixed view: short side resized to S by antialiased bicubic, central square; through the decode processes. */
import type { Config } from '../config/schema.js';
import { BadPhotos } from './badPhotos.js';
import { decodePass } from './decode/decodePass.js';
import { imageBytes } from './ring.js';
import type { BadSample, Source } from './sources/source.js';

export interface SquareOptions {
  readonly sizePx: number; // S
  readonly config: Pick<Config, 'data'>;
  /** Photos a chunk. */
  readonly batch: number;
  /** Photos that are asked for, here and elsewhere: of these `data.maxBadFraction` may be bad; by default as many as there are indices. */
  readonly numPhotos?: number;
  /** Told once of each photo that is left out because it cannot be read. */
  readonly onBad?: (bad: BadSample) => void;
}

/** A chunk of squares, copied out of the ring. */
export interface Squares {
  readonly indices: Int32Array; // [n] positions in the source
  readonly pixels: Uint8Array; // [n, 3, S, S]
  readonly shortSidesPx: Int32Array; // [n] of the photos as they are stored: below S they were enlarged
}

/**
 * Renders the photos at `indices`, in that order, a chunk at a time; torchvision's Resize(S) and CenterCrop(S)
 * on a PIL image.
 * A photo that cannot be read is left out (never replaced: its label would not fit).
 *
 * @throws DataError when more than `data.maxBadFraction` of `numPhotos` are bad, or all of these.
 */
export async function* renderSquares(
  source: Source,
  indices: readonly number[] | Int32Array,
  { sizePx, config, batch, numPhotos = indices.length, onBad }: SquareOptions,
): AsyncGenerator<Squares, void, undefined> {
  const badPhotos = new BadPhotos(source, config.data.maxBadFraction, { numPhotos });
  const numBytes = imageBytes(sizePx);
  const options = { request: { kind: 'square', sizePx }, canvasPx: [sizePx], config: config.data, batch } as const;
  for await (const { ring, bank, good, bad } of decodePass(source, indices, options)) {
    for (const sample of bad) {
      badPhotos.add(sample.index, sample.reason);
      onBad?.(sample);
    }
    badPhotos.check();
    if (good.length === 0) continue;
    const pixels = new Uint8Array(good.length * numBytes);
    good.forEach(({ slot }, i) => pixels.set(ring.image(bank, slot, 0), i * numBytes));
    const shortSidesPx = Int32Array.from(good, ({ slot }) => {
      const { widthPx, heightPx } = ring.photo(bank, slot);
      return Math.min(widthPx, heightPx);
    });
    yield { indices: Int32Array.from(good, ({ index }) => index), pixels, shortSidesPx };
  }
}
