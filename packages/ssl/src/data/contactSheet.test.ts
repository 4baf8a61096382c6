/** Sheets: every image in its cell, whatever its size, and titles that need no font of the machine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { writeContactSheet, type SheetColumn } from './contactSheet.js';
import { folderOf } from './photos.case.js';

const folder = folderOf({ 'fonts.conf': '<?xml version="1.0"?><fontconfig></fontconfig>' });
process.env['FONTCONFIG_FILE'] = join(folder, 'fonts.conf'); // a machine without fonts

/** Two images of one gray each. */
function column(title: string, sizePx: number, grays: readonly [number, number]): SheetColumn {
  const pixels = Uint8Array.from(grays.flatMap((gray) => Array.from({ length: 3 * sizePx * sizePx }, () => gray)));
  return { title, images: { pixels, sizePx, count: 2 } };
}

async function sheet(columns: readonly SheetColumn[]): Promise<(x: number, y: number) => number> {
  const path = join(folder, 'sheet.png');
  await writeContactSheet(path, columns);
  const { data, info } = await sharp(readFileSync(path)).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([columns.length * 100 + 4, 22 + 2 * 100]);
  return (x, y) => data[(y * info.width + x) * info.channels] ?? NaN;
}

it('fills the cells of the largest images, and centres smaller ones', async () => {
  const at = await sheet([column('v1', 32, [10, 20]), column('local', 20, [30, 40])]);
  for (const [x, gray] of [
    [4, 10],
    [99, 10],
    [100, 208],
    [103, 208],
    [112, 30],
    [191, 30],
    [192, 208],
  ] as const) {
    expect([x, at(x, 22 + 50)]).toEqual([x, gray]); // 20 px four times are 80 of 96
  }
  for (const [y, gray] of [
    [22, 208],
    [30, 30],
    [109, 30],
    [110, 208],
    [130, 40],
  ] as const) {
    expect([y, at(150, y)]).toEqual([y, gray]);
  }
});

it('writes letters, not boxes', async () => {
  const at = await sheet([column('llll', 32, [0, 0]), column('MMMM', 32, [0, 0])]);
  const ink = (left: number): number => {
    let sum = 0;
    for (let y = 0; y < 22; y++) for (let x = left; x < left + 96; x++) sum += 208 - at(x, y);
    return sum;
  };
  expect(ink(4)).toBeGreaterThan(500);
  expect(ink(104) / ink(4)).toBeGreaterThan(2);
});
