import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { createTransformation } from '../transforms/createTransformation.js';
import { dataConfig, folderOf } from './photos.case.js';
import { writePreview } from './preview.js';
import { openSource } from './sources/openSource.js';

describe('writePreview', () => {
  it('writes one row a photo: v1, u, the path, v2 and the masks', async () => {
    const config = dataConfig({ augment: { preset: 'none' } });
    const transformation = createTransformation('rotation', config.transform, 32);
    const views = [
      { name: 'v1', sizePx: 32 },
      { name: 'v2', sizePx: 32, transformed: { transformation, intermediates: 2, fill: 'zeros', sharedCrop: false } },
    ] as const;
    const out = join(folderOf({}), 'new', 'preview.png');
    const source = openSource([
      folderOf({
        '0.png': await sharp({ create: { width: 50, height: 50, channels: 3, background: '#c08040' } })
          .png()
          .toBuffer(),
      }),
    ]);
    expect(await writePreview({ source, config, views, out, numPhotos: 3 })).toBe(out);
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

    const isFolder = folderOf({ 'a.jpg': '' });
    for (const path of ['/proc/halfway-test/preview.png', isFolder]) {
      await expect(writePreview({ source, config, views, out: path, numPhotos: 1 })).rejects.toThrow(
        new RegExp(`^preview: ${path} must be writable, got .*; name another file with --out$`),
      );
    }
  });
});
