/** A contact sheet of exactly what the trainer will see: the first photos of the first step, through the trainer's own path. */
import { basename, dirname } from 'node:path';
import { generator, scope, type Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { DataError, reasonOf } from '../errors.js';
import { makeFolder } from '../makeFolder.js';
import type { DeviceBatch } from '../data/batch.js';
import { writeContactSheet, type SheetColumn } from '../data/contactSheet.js';
import { DecodePool } from '../data/decode/decodePool.js';
import { deviceBatch } from '../data/device.js';
import { Feed } from '../data/feed.js';
import { sheetImages } from '../data/sheetImages.js';
import { realPath } from '../data/sources/location.js';
import type { Source } from '../data/sources/source.js';
import { createObjective } from '../objectives/create.js';
import { seenImages } from '../objectives/maskPixels.js';

export interface PreviewOptions {
  readonly source: Source;
  readonly config: Config;
  readonly out: string; // a .png file
  readonly numPhotos: number;
}

/**
 * Writes the sheet and resolves to its path: a row a photo; v1, u, u_1 .. u_K, v2, the masks of the u_k's valid pixels, local views, and what
 * the student sees of a view of which patches are hidden.
 * @throws ConfigError when the configuration's objective cannot be made
 * @throws DataError when the photos cannot be read, or the file cannot be written, or is one of them
 */
export async function writePreview({ source, config, out, numPhotos }: PreviewOptions): Promise<string> {
  requirePicture(out, source);
  const { seed } = config.train;
  const { views, planMasks } = scope(() => createObjective(config, generator(0)));
  try {
    makeFolder(dirname(out));
  } catch (error) {
    throw cannotWrite(out, error);
  }
  const pool = new DecodePool(config.data);
  try {
    const feed = new Feed(pool, { source, views, config, seed, batch: numPhotos, endStep: 1 });
    const host = await feed.next();
    const columns = scope(() => columnsOf(deviceBatch(host, { views, planMasks, config, seed })));
    host.release();
    await writeContactSheet(out, columns).catch((error: unknown) => {
      throw cannotWrite(out, error);
    });
    return out;
  } finally {
    await pool.close();
  }
}

/** What is at the path is replaced: a mistyped one must not cost a photo. */
function requirePicture(out: string, { samples }: Source): void {
  if (!out.toLowerCase().endsWith('.png')) {
    throw new DataError(`preview: --out must be a .png file, got ${out}; name one`);
  }
  const isPhoto = (path: string): boolean => basename(path) === basename(out) && realPath(path) === realPath(out);
  if (samples.some(({ path }) => isPhoto(path))) {
    throw new DataError(`preview: --out must not be one of the photos, got ${out}; name another file`);
  }
}

function cannotWrite(out: string, error: unknown): DataError {
  return new DataError(`preview: ${out} must be writable, got ${reasonOf(error)}; name another file with --out`);
}

function columnsOf({ views }: DeviceBatch): SheetColumn[] {
  const column = (title: string, images: Tensor): SheetColumn => ({ title, images: sheetImages(images) });
  return views.flatMap(({ name, images, path, mask }) => {
    const seen = mask ? [column(`${name}, seen`, seenImages(images, mask))] : [];
    if (path === undefined) return [column(name, images), ...seen];
    return [
      column('u', path.start),
      ...path.states.map((state, k) => column(`u${k + 1}`, state)),
      column(name, images),
      ...seen,
      ...path.valid.map((valid, k) => column(`valid ${k + 1}`, valid.expand([-1, 3, -1, -1]))),
    ];
  });
}
