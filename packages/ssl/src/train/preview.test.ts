import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type Config, configSchema } from '../config/schema.js';
import { folderOf } from '../data/photos.case.js';
import { openSource } from '../data/sources/openSource.js';
import { writePreview } from './preview.js';

/** Two plain views of 32 px, decoded by one process. */
function configOf(tree: object): Config {
  return configSchema.parse({
    model: { size: 'custom', widthDim: 8, depth: 1, numHeads: 1, patch: 16, imagePx: 32 },
    split: { dim: 8, equivariantDim: 4 },
    augment: { preset: 'none' },
    data: { decodeProcesses: 1 },
    ...tree,
  });
}

describe('writePreview', () => {
  it('writes one row a photo: v1, u, the path, v2 and the masks', async () => {
    const config = configOf({ recon: { target: 'rotation', fill: 'zeros' } });
    const out = join(folderOf({}), 'new', 'preview.png');
    const source = openSource([
      folderOf({
        '0.png': await sharp({ create: { width: 50, height: 50, channels: 3, background: '#c08040' } })
          .png()
          .toBuffer(),
      }),
    ]);
    expect(await writePreview({ source, config, out, numPhotos: 3 })).toBe(out);
    const { data, info } = await sharp(readFileSync(out)).raw().toBuffer({ resolveWithObject: true });
    const cellPx = 96; // 32 px, three times
    expect([info.width, info.height]).toEqual([7 * (cellPx + 4) + 4, 22 + 3 * (cellPx + 4)]);
    const pixel = (column: number, x: number, y: number): number[] => {
      const at = ((22 + y) * info.width + 4 + column * (cellPx + 4) + x) * info.channels;
      return [...data.subarray(at, at + 3)];
    };
    for (const column of [0, 1, 2, 3, 4]) expect(pixel(column, 48, 48)).toEqual([0xc0, 0x80, 0x40]);
    for (const column of [5, 6]) expect(pixel(column, 48, 48)).toEqual([255, 255, 255]);
    expect(pixel(1, 1, 1)).toEqual([0xc0, 0x80, 0x40]); // u has its corners
    expect(pixel(4, 1, 1)).toEqual([0, 0, 0]); // v2's are from outside the photo
    expect(pixel(6, 1, 1)).toEqual([0, 0, 0]);

    const [photo = ''] = source.samples.map(({ path }) => path);
    for (const [path, rule] of [
      [`${photo}.jpg`, 'be a .png file'],
      [photo, 'not be one of the photos'],
    ]) {
      await expect(writePreview({ source, config, out: path ?? '', numPhotos: 1 })).rejects.toThrow(
        `preview: --out must ${rule}, got ${path}; name`,
      );
    }
    const isFolder = join(folderOf({ 'a.png/b.jpg': '' }), 'a.png');
    for (const path of ['/proc/halfway-test/preview.png', isFolder]) {
      await expect(writePreview({ source, config, out: path, numPhotos: 1 })).rejects.toThrow(
        new RegExp(`^preview: ${path} must be writable, got .*; name another file with --out$`),
      );
    }
  });

  it('shows what the student sees of views with hidden patches, and local views', async () => {
    const config = configOf({
      objective: 'ibot',
      ibot: { hiddenDim: 8, bottleneckDim: 4, prototypes: 8, masks: { ratios: [[0.5, 0]] } },
      augment: { preset: 'none', local: { count: 1, cropPx: 16 } },
    });
    const out = join(folderOf({}), 'preview.png');
    const white = sharp({ create: { width: 50, height: 50, channels: 3, background: '#ffffff' } });
    const source = openSource([folderOf({ '0.png': await white.png().toBuffer() })]);
    await writePreview({ source, config, out, numPhotos: 1 });
    const { data, info } = await sharp(readFileSync(out)).raw().toBuffer({ resolveWithObject: true });
    const columns = ['v1', 'v1, seen', 'v2', 'v2, seen', 'local1'];
    const cellPx = (info.width - 4) / columns.length - 4;
    const shades = (column: number): number[] => {
      const row = 22 * info.width;
      const values = new Set<number>();
      for (let y = 0; y < cellPx; y++) {
        for (let x = 0; x < cellPx; x++) {
          values.add(data[(row + y * info.width + 4 + column * (cellPx + 4) + x) * info.channels] ?? NaN);
        }
      }
      return [...values].sort((a, b) => a - b);
    };
    expect([0, 1, 2, 3].map(shades)).toEqual([[255], [128, 255], [255], [128, 255]]);
  });
});
