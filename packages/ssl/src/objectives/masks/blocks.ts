/**
 * Blocks of hidden patches, as BEiT draws them: rectangles of random area and aspect until enough cells are covered.
 * Sources: bytedance/ibot loader.py, ImageFolderMask; facebookresearch/dinov2 data/masking.py, MaskingGenerator.
 *
 * G patches along a side, N = G * G cells, row-major.
 */
import type { UniformDraw } from '../../transforms/transformation.js';

export interface BlockOptions {
  readonly gridPatches: number; // G
  /** Cells to cover at most; with a fraction (iBOT's is a float) the whole ones below it. */
  readonly numMasked: number;
  /** Area of a block in cells; the upper end is also what is still missing. */
  readonly minArea: number;
  readonly maxArea: number;
}

const MAX_TRIES = 10;
const LOG_ASPECT = Math.log(0.3); // aspects in [0.3, 1 / 0.3]

/**
 * A mask u8 [N] of 1 (hidden) and 0. It never covers more than `numMasked` cells; it covers fewer when ten tries in a row found no
 * block that fits what is missing.
 */
export function drawBlocks(draw: UniformDraw, { gridPatches, numMasked, minArea, maxArea }: BlockOptions): Uint8Array {
  const mask = new Uint8Array(gridPatches ** 2);
  let covered = 0;
  while (covered < numMasked) {
    const missing = Math.min(numMasked - covered, maxArea);
    const added = addBlock(mask, draw, { gridPatches, minArea, missing });
    if (added === 0) break;
    covered += added;
  }
  return mask;
}

/** Covers one block of at most `missing` new cells; returns how many are new, 0 when no try fitted. */
function addBlock(
  mask: Uint8Array,
  draw: UniformDraw,
  { gridPatches, minArea, missing }: { gridPatches: number; minArea: number; missing: number },
): number {
  for (let i = 0; i < MAX_TRIES; i++) {
    const area = minArea + (missing - minArea) * draw();
    const aspect = Math.exp(LOG_ASPECT * (1 - 2 * draw()));
    const height = Math.round(Math.sqrt(area * aspect));
    const width = Math.round(Math.sqrt(area / aspect));
    if (width >= gridPatches || height >= gridPatches) continue;
    const top = Math.floor(draw() * (gridPatches - height + 1));
    const left = Math.floor(draw() * (gridPatches - width + 1));
    const fresh = cellsOf(gridPatches, { top, left, height, width }).filter((cell) => mask[cell] === 0);
    if (fresh.length === 0 || fresh.length > missing) continue;
    for (const cell of fresh) mask[cell] = 1;
    return fresh.length;
  }
  return 0;
}

function cellsOf(
  gridPatches: number,
  { top, left, height, width }: { top: number; left: number; height: number; width: number },
): number[] {
  return Array.from(
    { length: height * width },
    (_, i) => (top + Math.floor(i / width)) * gridPatches + left + (i % width),
  );
}
