/** What a source holds, found by decoding all of it: counts, labels, sizes, and every bad file by path. */
import type { Config } from '../config/schema.js';
import { describeBad } from './badPhotos.js';
import { decodePass } from './decode/decodePass.js';
import { type BadSample, type FilesLike, notReadText, type Source } from './sources/source.js';

export interface DescribeOptions {
  readonly config: Pick<Config, 'data'>;
  /** Told after every chunk. */
  readonly onProgress?: (numDone: number, numPhotos: number) => void;
}

/** Photos whose short side is at least `fromPx` and less than the next row's. */
export interface SizeCount {
  readonly fromPx: number;
  readonly count: number;
}

export interface DataDescription {
  readonly paths: readonly string[];
  readonly numPhotos: number;
  readonly fileBytes: number;
  /** In label order; empty without labels. */
  readonly classes: readonly { readonly name: string; readonly count: number }[];
  /** By short side of the upright photo, smallest first; powers of two. */
  readonly shortSides: readonly SizeCount[];
  readonly smallest?: readonly [widthPx: number, heightPx: number];
  readonly largest?: readonly [widthPx: number, heightPx: number];
  readonly bad: readonly BadSample[];
  /** Files that are no photos by their names, and are passed over; most first. */
  readonly notRead: readonly FilesLike[];
  /** More than `data.maxBadFraction` of the photos are bad: a run would stop. */
  readonly hasTooManyBad: boolean;
}

const BATCH = 64;

/** Decodes every photo of a source once. Bad files are listed, however many. */
export async function describeData(source: Source, { config, onProgress }: DescribeOptions): Promise<DataDescription> {
  const numPhotos = source.samples.length;
  const bad: BadSample[] = [];
  const sizes: [number, number][] = [];
  const options = { request: { kind: 'measure' }, canvasPx: [], config: config.data, batch: BATCH } as const;
  const all = Int32Array.from(source.samples.keys());
  for await (const chunk of decodePass(source, all, options)) {
    bad.push(...chunk.bad);
    for (const { slot } of chunk.good) {
      const { widthPx, heightPx } = chunk.ring.photo(chunk.bank, slot);
      sizes.push([widthPx, heightPx]);
    }
    onProgress?.(sizes.length + bad.length, numPhotos);
  }
  const byArea = sizes.toSorted((a, b) => a[0] * a[1] - b[0] * b[1]);
  const [smallest, largest] = [byArea[0], byArea.at(-1)];
  return {
    paths: source.paths,
    numPhotos,
    fileBytes: source.samples.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    classes: countClasses(source),
    shortSides: countShortSides(sizes),
    ...(smallest !== undefined && { smallest }),
    ...(largest !== undefined && { largest }),
    bad,
    notRead: source.notRead ?? [],
    hasTooManyBad: bad.length > config.data.maxBadFraction * numPhotos || bad.length === numPhotos,
  };
}

function countClasses({ classNames, samples }: Source): DataDescription['classes'] {
  const counts = classNames.map(() => 0);
  for (const { label } of samples) if (label !== undefined) counts[label] = (counts[label] ?? 0) + 1;
  return classNames.map((name, label) => ({ name, count: counts[label] ?? 0 }));
}

function countShortSides(sizes: readonly (readonly [number, number])[]): SizeCount[] {
  const counts = new Map<number, number>();
  for (const [width, height] of sizes) {
    const fromPx = 2 ** Math.floor(Math.log2(Math.min(width, height)));
    counts.set(fromPx, (counts.get(fromPx) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => a[0] - b[0]).map(([fromPx, count]) => ({ fromPx, count }));
}

const SHOWN_CLASSES = 20;

/** The description as lines for people. */
export function formatDescription(description: DataDescription): string {
  const { paths, numPhotos, fileBytes, classes, shortSides, smallest, largest, bad, hasTooManyBad } = description;
  const most = Math.max(1, ...shortSides.map(({ count }) => count));
  const bar = (count: number): string => '#'.repeat(Math.ceil((30 * count) / most));
  const shown = classes.slice(0, SHOWN_CLASSES).map(({ name, count }) => `${name} ${count}`);
  const more = classes.length - shown.length;
  const notRead = notReadText(description);
  return [
    `${numPhotos} photos, ${(fileBytes / 1e6).toFixed(1)} MB, in ${paths.join(', ')}`,
    ...(notRead === undefined ? [] : [notRead]),
    classes.length === 0
      ? 'no labels'
      : `${classes.length} classes: ${shown.join(', ')}${more > 0 ? `, and ${more} more` : ''}`,
    ...(smallest === undefined || largest === undefined
      ? []
      : [`from ${smallest.join(' x ')} to ${largest.join(' x ')} px; short side:`]),
    ...shortSides.map(
      ({ fromPx, count }) => `  ${String(fromPx).padStart(6)} px and more  ${String(count).padStart(8)}  ${bar(count)}`,
    ),
    bad.length === 0
      ? 'every photo can be read'
      : `${bad.length} cannot be read${hasTooManyBad ? ', too many for a run' : ''}:\n${describeBad(bad)}`,
  ].join('\n');
}
