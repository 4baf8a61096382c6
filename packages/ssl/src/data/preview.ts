/** A contact sheet of exactly what the trainer will see: the first photos of the first step, through the trainer's own path. */
import { dirname } from 'node:path';
import { scope, type Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { DataError } from '../errors.js';
import { makeFolder } from '../makeFolder.js';
import type { DeviceBatch, ViewRequest } from './batch.js';
import { writeContactSheet, type SheetColumn } from './contactSheet.js';
import { DecodePool } from './decode/decodePool.js';
import { deviceBatch } from './device.js';
import { Feed } from './feed.js';
import type { Source } from './sources/source.js';

export interface PreviewOptions {
  readonly source: Source;
  readonly config: Config;
  readonly views: readonly ViewRequest[];
  readonly out: string; // a .png file
  readonly numPhotos: number;
}

/**
 * Writes the sheet and resolves to its path: a row a photo; v1, u, u_1 .. u_K, v2, and the masks of the u_k's valid pixels.
 * @throws DataError when the photos cannot be read, or the file cannot be written
 */
export async function writePreview({ source, config, views, out, numPhotos }: PreviewOptions): Promise<string> {
  const { seed } = config.train;
  try {
    makeFolder(dirname(out));
  } catch (error) {
    throw cannotWrite(out, error);
  }
  const pool = new DecodePool(config.data);
  try {
    const feed = new Feed(pool, { source, views, config, seed, batch: numPhotos, endStep: 1 });
    const host = await feed.next();
    const columns = scope(() => columnsOf(deviceBatch(host, { views, config, seed })));
    host.release();
    await writeContactSheet(out, columns).catch((error: unknown) => {
      throw cannotWrite(out, error);
    });
    return out;
  } finally {
    await pool.close();
  }
}

function cannotWrite(out: string, error: unknown): DataError {
  const reason = error instanceof Error ? error.message : String(error);
  return new DataError(`preview: ${out} must be writable, got ${reason}; name another file with --out`);
}

function columnsOf({ views }: DeviceBatch): SheetColumn[] {
  const column = (title: string, images: Tensor): SheetColumn => ({ title, images: sheetImages(images) });
  return views.flatMap(({ name, images, path }) => {
    if (path === undefined) return [column(name, images)];
    return [
      column('u', path.start),
      ...path.states.map((state, k) => column(`u${k + 1}`, state)),
      column(name, images),
      ...path.valid.map((mask, k) => column(`valid ${k + 1}`, mask.expand([-1, 3, -1, -1]))),
    ];
  });
}

/** f32 [B, 3, S, S] in [0, 1] to bytes in rows of pixels, u8 [B, S, S, 3]. */
export function sheetImages(images: Tensor): SheetColumn['images'] {
  const [count = 0, , sizePx = 0] = images.shape;
  const bytes = images.clamp(0, 1).mul(255).round().to('uint8').permute([0, 2, 3, 1]).contiguous();
  return { pixels: bytes.toBytes(), sizePx, count };
}
