/**
 * The photos of an evaluation: which are for training heads, which for the test, and their renderings, made once for
 * all encoders and kept in memory where they fit.
 */
import { createHash } from 'node:crypto';
import type { Config } from '../config/schema.js';
import { describeBad } from '../data/badPhotos.js';
import { renderSquares } from '../data/squares.js';
import { fileStats, locations } from '../data/sources/location.js';
import { openSource } from '../data/sources/openSource.js';
import type { BadSample, Source } from '../data/sources/source.js';
import { DataError } from '../errors.js';
import type { Squares } from '../data/squares.js';
import { evenSubset, partitionById, TEST_FRACTION } from './partition.js';

/** Renderings that are kept, of all parts and sizes together; what does not fit is made again for each use. */
const MEMORY_BYTES = 2 ** 30;

/** Bytes of a chunk of renderings, and photos at most: as many as an encoder batch can take. */
const CHUNK_BYTES = 2 ** 24;
const CHUNK_PHOTOS = 512;

/** Photos of one side of the evaluation. */
export interface EvaluationPart {
  readonly name: 'train' | 'test';
  readonly source: Source;
  readonly indices: Int32Array; // positions in the source
  /** For people: paths, and how the photos were chosen. */
  readonly description: string;
  /** In words, which photos of the part are used, where not all are. */
  readonly selection?: string;
}

export interface EvaluationDataOptions {
  readonly train: readonly string[];
  /** Without it 20 % of the train photos, by hash of the id, are the test part. */
  readonly test?: readonly string[];
  /** At most this many photos of each part, evenly over its classes, by hash of the id: the same ones for every encoder. */
  readonly maxPhotos?: number;
  readonly data: Config['data'];
}

/** Opens the photos and says which are for what. Pixels are rendered when they are asked for. */
export class EvaluationData {
  readonly train: EvaluationPart;
  readonly test: EvaluationPart;
  /** Seconds spent waiting for pixels so far. */
  renderSeconds = 0;
  readonly #data: Config['data'];
  readonly #bad = new Map<string, BadSample>();
  readonly #kept = new Map<string, readonly Squares[]>();
  #keptBytes = 0;

  /** @throws DataError where a source cannot be opened, or a photo is in both parts */
  constructor(options: EvaluationDataOptions) {
    const { maxPhotos = Infinity } = options;
    const parts = openParts(options);
    this.train = limited(parts.train, maxPhotos);
    this.test = limited(parts.test, maxPhotos);
    this.#data = options.data;
  }

  /**
   * Central squares of a part's readable photos at `sizePx`, in order.
   * @throws DataError when too many of both parts' photos cannot be read, or none of this one
   */
  async *squares(part: EvaluationPart, sizePx: number): AsyncGenerator<Squares> {
    const key = `${part.name}-${sizePx}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      yield* kept;
      return;
    }
    const bytes = 3 * sizePx * sizePx;
    const partBytes = part.indices.length * bytes;
    const fits = this.#keptBytes + partBytes <= MEMORY_BYTES;
    const batch = Math.max(8, Math.min(CHUNK_PHOTOS, Math.floor(CHUNK_BYTES / bytes)));
    const chunks: Squares[] = [];
    let before = performance.now();
    const numPhotos = this.train.indices.length + this.test.indices.length;
    const onBad = (sample: BadSample): void => this.#addBad(sample);
    const options = { sizePx, batch, config: { data: this.#data }, numPhotos, onBad };
    let numRead = 0;
    for await (const chunk of renderSquares(part.source, part.indices, options)) {
      numRead += chunk.indices.length;
      this.renderSeconds += (performance.now() - before) / 1000;
      if (fits) chunks.push(chunk);
      yield chunk;
      before = performance.now();
    }
    this.renderSeconds += (performance.now() - before) / 1000;
    if (numRead === 0) throw noneRead(part, this.bad);
    if (!fits) return;
    this.#kept.set(key, chunks);
    this.#keptBytes += partBytes;
  }

  /** For protocols: which photos of the parts are used, one clause a part of which not all are. */
  get selection(): readonly string[] {
    return [this.train, this.test].flatMap(({ name, selection }) =>
      selection === undefined ? [] : [`${name} photos: ${selection}`],
    );
  }

  /** Photos that could not be read in any pass so far, each once. */
  get bad(): readonly BadSample[] {
    return [...this.#bad.values()];
  }

  #addBad(sample: BadSample): void {
    this.#bad.set(`${sample.path}\0${sample.id}`, sample);
  }
}

function noneRead({ name, indices }: EvaluationPart, bad: readonly BadSample[]): DataError {
  return new DataError(
    `eval: some ${name} photos must be readable, got none of ${indices.length}; mend or remove them (halfway data check finds all):\n` +
      describeBad(bad),
  );
}

/** What identifies the photos of both parts. */
export function photosHash({ train, test }: Pick<EvaluationData, 'train' | 'test'>): string {
  return createHash('sha256').update(photosKey(train)).update(photosKey(test)).digest('hex');
}

/** When the files of a part's photos were changed last: a photo of the same name and size may be another one. */
export function modifiedKey({ indices, source }: EvaluationPart): string {
  const times = new Map<string, number>(); // of a shard for all of its photos
  const hash = createHash('sha256');
  for (const index of indices) {
    const path = source.samples[index]?.path ?? '';
    const time = times.get(path) ?? fileStats(path)?.mtimeMs ?? 0;
    times.set(path, time);
    hash.update(`${time}\n`);
  }
  return hash.digest('hex');
}

/** What identifies the photos of a part, in their order, by names and sizes. */
export function photosKey(part: EvaluationPart): string {
  const { indices, source } = part;
  const bytes = new Uint8Array(indices.buffer, indices.byteOffset, indices.byteLength);
  return createHash('sha256').update(source.fingerprint.hash).update(bytes).digest('hex');
}

/** Ids of photos by their positions in the source. */
export function idsOf(part: EvaluationPart, indices: Int32Array): string[] {
  return Array.from(indices, (index) => part.source.samples[index]?.id ?? '');
}

function openParts({ train, test }: EvaluationDataOptions): { train: EvaluationPart; test: EvaluationPart } {
  const source = openSource(train);
  if (test !== undefined && test.length > 0) {
    const testSource = openSource(test);
    requireNoOverlap(source, testSource);
    return { train: wholePart('train', source), test: wholePart('test', testSource) };
  }
  const ids = source.samples.map(({ id }) => id);
  const { kept, heldOut } = partitionById(ids, TEST_FRACTION, 'test');
  const share = (percent: number): string =>
    `${source.paths.join(', ')}: ${percent} % of the photos by hash of the id (no test photos were named)`;
  return {
    train: { name: 'train', source, indices: kept, description: share(100 - 100 * TEST_FRACTION) },
    test: { name: 'test', source, indices: heldOut, description: share(100 * TEST_FRACTION) },
  };
}

function wholePart(name: 'train' | 'test', source: Source): EvaluationPart {
  return { name, source, indices: Int32Array.from(source.samples.keys()), description: source.paths.join(', ') };
}

/** The part with at most `maxPhotos` of its photos. */
function limited(part: EvaluationPart, maxPhotos: number): EvaluationPart {
  const { source, indices } = part;
  if (indices.length <= maxPhotos) return part;
  const labels = Array.from(indices, (index) => source.samples[index]?.label);
  const kept = evenSubset(idsOf(part, indices), labels, maxPhotos).map((position) => indices[position] ?? 0);
  const evenly = source.classNames.length > 0 ? 'evenly over classes, ' : '';
  const selection = `${kept.length} of ${indices.length}, ${evenly}by hash of the id`;
  return { ...part, indices: kept, description: `${part.description}; ${selection}`, selection };
}

/** By where the photos are, whichever way their paths are written. */
function requireNoOverlap(train: Source, test: Source): void {
  const locationOf = locations();
  const seen = new Set(train.samples.map(locationOf));
  const twice = test.samples.filter((sample) => seen.has(locationOf(sample)));
  const example = twice[0];
  if (example === undefined) return;
  throw new DataError(
    `eval: training and test photos must differ, got ${twice.length} that are in both, such as ${example.id}; ` +
      'name other test photos, or leave --test out and 20 % of the photos are held out',
    { sampleId: example.id, path: example.path },
  );
}

/** A head needs photos to fit, to choose and to test; 20 is far below what gives a useful interval. */
const LEAST_PHOTOS = { train: 20, test: 2 } as const;

/**
 * Says before any work whether there are enough photos for an evaluation.
 * @throws DataError when a part is too small
 */
export function requirePhotos({ train, test }: EvaluationData): void {
  for (const { name, indices, description, selection } of [train, test]) {
    const least = LEAST_PHOTOS[name];
    if (indices.length >= least) continue;
    const advice = selection === undefined ? 'add photos' : 'allow more with --photos';
    throw new DataError(
      `eval: needs at least ${least} ${name} photos, got ${indices.length} from ${description}; ${advice}`,
    );
  }
}
