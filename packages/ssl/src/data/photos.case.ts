/** Folders of small photos for tests, and the configuration that reads them. Not a test itself. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { afterAll } from 'vitest';
import { type Config, configSchema } from '../config/schema.js';
import { openSource } from './sources/openSource.js';
import type { Source } from './sources/source.js';

/** A new folder with the given files; it goes when the test file ends. */
export function folderOf(files: Readonly<Record<string, Buffer | string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'halfway-data-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return folder;
}

/** RGB pixels [height, width, 3] that differ from seed to seed and from place to place, smooth enough for JPEG. */
export function pixelsOf(seed: number, widthPx: number, heightPx: number): Buffer {
  const pixels = Buffer.alloc(3 * widthPx * heightPx);
  for (let i = 0; i < pixels.length; i++) {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % widthPx, Math.floor(i / 3 / widthPx)];
    pixels[i] = 128 + 120 * Math.sin((x * (1 + c) + y * (3 - c)) / 9 + seed * 1.7 + c);
  }
  return pixels;
}

/** The picture of `pixelsOf` for sharp, to be written in any format. */
export function picture(seed: number, widthPx: number, heightPx: number): Sharp {
  return sharp(pixelsOf(seed, widthPx, heightPx), { raw: { width: widthPx, height: heightPx, channels: 3 } });
}

/** A folder of `count` JPEGs of mixed sizes, named by two digits; `others` are written over or beside them. */
export async function photoSource(
  count: number,
  others: Readonly<Record<string, Buffer | string>> = {},
): Promise<Source> {
  const files: Record<string, Buffer | string> = {};
  for (let i = 0; i < count; i++) {
    files[`${String(i).padStart(2, '0')}.jpg`] = await picture(i, 40 + (i % 5) * 9, 64 - (i % 3) * 11)
      .jpeg()
      .toBuffer();
  }
  return openSource([folderOf({ ...files, ...others })]);
}

/** The default configuration with one decode process, its sections changed. */
export function dataConfig(
  changes: { data?: Partial<Config['data']>; augment?: Partial<Config['augment']>; transform?: object } = {},
): Config {
  const { data, augment = {}, transform = {} } = changes;
  return configSchema.parse({ data: { decodeProcesses: 1, ...data }, augment, transform });
}
