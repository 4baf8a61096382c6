/** Pictures for people: a grid of images with a title over each column, as a PNG file. */
import { renameSync } from 'node:fs';

/** One column: `count` square RGB images, u8 [count, size, size, 3]. */
export interface SheetColumn {
  readonly title: string;
  readonly images: { readonly pixels: Uint8Array; readonly sizePx: number; readonly count: number };
}

const SMALLEST_CELL_PX = 96; // smaller images are enlarged by whole factors, so that every pixel is seen
const GAP_PX = 4;
const TITLE_PX = 22;
const BACKGROUND = 208; // light gray: white masks and photos keep their edges

/** Writes the sheet; all images of a sheet have one size. The file appears whole or not at all. */
export async function writeContactSheet(path: string, columns: readonly SheetColumn[]): Promise<void> {
  const [first] = columns;
  if (first === undefined) throw new Error('internal: contactSheet: needs at least one column');
  const { sizePx, count } = first.images;
  const factor = Math.max(1, Math.ceil(SMALLEST_CELL_PX / sizePx));
  const cellPx = sizePx * factor;
  const stepPx = cellPx + GAP_PX;
  const widthPx = columns.length * stepPx + GAP_PX;
  const heightPx = TITLE_PX + count * stepPx;
  const canvas = Buffer.alloc(widthPx * heightPx * 3, BACKGROUND);
  columns.forEach(({ images }, column) => {
    for (let row = 0; row < count; row++) {
      drawImage(canvas, widthPx, images.pixels.subarray(row * sizePx * sizePx * 3), sizePx, factor, {
        left: GAP_PX + column * stepPx,
        top: TITLE_PX + row * stepPx,
      });
    }
  });
  const titles = columns.map(({ title }, column) => titleText(title, GAP_PX + column * stepPx + cellPx / 2));
  const overlay = `<svg width="${widthPx}" height="${heightPx}" xmlns="http://www.w3.org/2000/svg">${titles.join('')}</svg>`;
  const partial = `${path}.partial`;
  const { default: sharp } = await import('sharp'); // here, because it takes longer to load than a training has time for at its start
  await sharp(canvas, { raw: { width: widthPx, height: heightPx, channels: 3 } })
    .composite([{ input: Buffer.from(overlay), left: 0, top: 0 }])
    .png()
    .toFile(partial);
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

function titleText(title: string, x: number): string {
  const escaped = title.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return `<text x="${x}" y="16" font-family="sans-serif" font-size="13" text-anchor="middle">${escaped}</text>`;
}
