/**
 * iBOT's masks: each image of each global view draws its own share of hidden patches, then blocks or single patches.
 * Source: bytedance/ibot loader.py, ImageFolderMask.
 */
import type { PlanMasks } from '../../data/batch.js';
import type { UniformDraw } from '../../transforms/transformation.js';
import { drawBlocks } from './blocks.js';
import { joined } from './joined.js';
import { shuffled } from './shuffled.js';

export interface IbotMaskOptions {
  /** Shares of hidden patches, one of which is chosen for an image: each uniform in [mean - spread, mean + spread]. */
  readonly ratios: readonly (readonly [mean: number, spread: number])[];
  readonly shape: 'block' | 'random';
}

/** The masks of the first `numViews` views. */
export function planIbotMasks(numViews: number, gridPatches: number, options: IbotMaskOptions): PlanMasks {
  return (drawOf, numImages) =>
    Array.from({ length: numViews }, (_, view) =>
      joined(Array.from({ length: numImages }, (_, image) => ibotMask(drawOf(image, view), gridPatches, options))),
    );
}

/** One image's mask u8 [G * G] of 1 (hidden) and 0, row-major over a grid of G = `gridPatches` a side. */
export function ibotMask(draw: UniformDraw, gridPatches: number, { ratios, shape }: IbotMaskOptions): Uint8Array {
  const drawn = ratios.map(([mean, spread]) => mean + spread * (2 * draw() - 1));
  const ratio = drawn[Math.floor(draw() * drawn.length)] ?? 0;
  const numMasked = ratio * gridPatches ** 2; // not a whole number: the reference compares with it as it is
  switch (shape) {
    case 'block':
      return drawBlocks(draw, {
        ...{ gridPatches, numMasked },
        minArea: Math.floor(gridPatches / 3) ** 2,
        maxArea: Infinity,
      });
    case 'random':
      return drawCells(draw, gridPatches ** 2, Math.floor(numMasked));
    default:
      return shape satisfies never;
  }
}

/** `numMasked` of `numCells` cells, each as likely as another. */
function drawCells(draw: UniformDraw, numCells: number, numMasked: number): Uint8Array {
  const mask = new Uint8Array(numCells);
  const cells = shuffled(
    Array.from(mask, (_, cell) => cell),
    draw,
  );
  for (const cell of cells.slice(0, numMasked)) mask[cell] = 1;
  return mask;
}
