/** Pictures for people: a grid of images with a title over each column, as a PNG file. */
import { renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { OverlayOptions } from 'sharp';

/** One column: `count` square RGB images, u8 [count, size, size, 3]. */
export interface SheetColumn {
  readonly title: string;
  readonly images: { readonly pixels: Uint8Array; readonly sizePx: number; readonly count: number };
}

const SMALLEST_CELL_PX = 96; // smaller images are enlarged by whole factors, so that every pixel is seen
const GAP_PX = 4;
const TITLE_PX = 22;
// A font of our own: servers and containers often have none, and then draw boxes.
const FONT = 'Cantarell 10';
const FONT_FILE = createRequire(import.meta.url).resolve(
  '@expo-google-fonts/cantarell/400Regular/Cantarell_400Regular.ttf',
);
const BACKGROUND = 208; // light gray: white masks and photos keep their edges

/**
 * Writes the sheet. Each image fills its cell by a whole factor, so that every pixel is seen; the largest images decide the cell. The file
 * appears whole or not at all.
 */
export async function writeContactSheet(path: string, columns: readonly SheetColumn[]): Promise<void> {
  const largestPx = Math.max(...columns.map(({ images }) => images.sizePx));
  const numRows = Math.max(...columns.map(({ images }) => images.count));
  const cellPx = largestPx * Math.max(1, Math.ceil(SMALLEST_CELL_PX / largestPx));
  const stepPx = cellPx + GAP_PX;
  const widthPx = columns.length * stepPx + GAP_PX;
  const heightPx = TITLE_PX + numRows * stepPx;
  const canvas = Buffer.alloc(widthPx * heightPx * 3, BACKGROUND);
  columns.forEach(({ images: { pixels, sizePx, count } }, column) => {
    const factor = Math.floor(cellPx / sizePx);
    const marginPx = Math.floor((cellPx - factor * sizePx) / 2);
    for (let row = 0; row < count; row++) {
      drawImage(canvas, widthPx, pixels.subarray(row * sizePx * sizePx * 3), sizePx, factor, {
        left: GAP_PX + column * stepPx + marginPx,
        top: TITLE_PX + row * stepPx + marginPx,
      });
    }
  });
  const partial = `${path}.partial`;
  const centers = columns.map((_, column) => GAP_PX + column * stepPx + cellPx / 2);
  const titles = await Promise.all(columns.map(({ title }, i) => titleOverlay(title, centers[i] ?? 0, widthPx)));
  const { default: sharp } = await import('sharp'); // here, because it takes longer to load than a training has time for at its start
  const png = await sharp(canvas, { raw: { width: widthPx, height: heightPx, channels: 3 } })
    .composite(titles)
    .png()
    .toBuffer();
  writeFileSync(partial, png); // not by sharp, whose errors of a disk are not the system's
  renameSync(partial, path);
}

function drawImage(
  canvas: Buffer,
  canvasWidthPx: number,
  pixels: Uint8Array,
  sizePx: number,
  factor: number,
  { left, top }: { readonly left: number; readonly top: number },
): void {
  const cellPx = sizePx * factor;
  const row = Buffer.alloc(cellPx * 3);
  for (let y = 0; y < sizePx; y++) {
    for (let x = 0; x < cellPx; x++) {
      const source = (y * sizePx + Math.floor(x / factor)) * 3;
      row.set(pixels.subarray(source, source + 3), x * 3);
    }
    for (let repeat = 0; repeat < factor; repeat++) {
      row.copy(canvas, ((top + y * factor + repeat) * canvasWidthPx + left) * 3);
    }
  }
}

/** A title, centred on a column as far as the sheet goes. */
async function titleOverlay(title: string, centerPx: number, sheetWidthPx: number): Promise<OverlayOptions> {
  const { default: sharp } = await import('sharp');
  const text = title.replace(/&/g, '&amp;').replace(/</g, '&lt;'); // Pango's markup
  const { data, info } = await sharp({ text: { text, font: FONT, fontfile: FONT_FILE, dpi: 96, rgba: true } })
    .png()
    .toBuffer({ resolveWithObject: true });
  const left = Math.round(Math.min(Math.max(0, centerPx - info.width / 2), Math.max(0, sheetWidthPx - info.width)));
  return { input: data, left, top: Math.max(0, Math.round((TITLE_PX - info.height) / 2)) };
}
