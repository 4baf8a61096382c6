/**
 * DINOv2's masks: planned for the whole batch, so that the number of hidden patches is nearly the same in each.
 * Source: facebookresearch/dinov2 data/collate.py, data/masking.py, train/train.py.
 */
import type { PlanMasks } from '../../data/batch.js';
import type { UniformDraw } from '../../transforms/transformation.js';
import { drawBlocks } from './blocks.js';
import { joined } from './joined.js';
import { shuffled } from './shuffled.js';

export interface Dinov2MaskOptions {
  /** Share of the images that have a mask. */
  readonly maskedFraction: number;
  /** Range of the share of hidden patches in those. */
  readonly ratios: readonly [low: number, high: number];
  /** Largest block in cells. */
  readonly maxArea: number;
}

const MIN_AREA = 4; // masking.py, min_num_patches

/** The masks of the first `numViews` views, all drawn from the stream of the batch's first image. */
export function planDinov2Masks(numViews: number, gridPatches: number, options: Dinov2MaskOptions): PlanMasks {
  return (drawOf, numImages) => {
    const masks = dinov2Masks(drawOf(0, 0), numViews * numImages, gridPatches, options);
    return Array.from({ length: numViews }, (_, view) => joined(masks.slice(view * numImages, (view + 1) * numImages)));
  };
}

/**
 * Masks u8 [G * G] of `numImages` images, in random order: the range of shares is cut into as many equal bins as images have a mask,
 * and each draws from its own. The rest have empty masks.
 */
export function dinov2Masks(
  draw: UniformDraw,
  numImages: number,
  gridPatches: number,
  { maskedFraction, ratios: [low, high], maxArea }: Dinov2MaskOptions,
): Uint8Array[] {
  const numWithMask = Math.floor(numImages * maskedFraction);
  const masks = Array.from({ length: numImages }, (_, i) => {
    if (i >= numWithMask) return new Uint8Array(gridPatches ** 2);
    const ratio = low + ((high - low) * (i + draw())) / numWithMask;
    return drawBlocks(draw, {
      ...{ gridPatches, maxArea, minArea: MIN_AREA },
      numMasked: Math.floor(gridPatches ** 2 * ratio),
    });
  });
  return shuffled(masks, draw);
}

/**
 * The largest block: half of the grid. The code behind DINOv2 evaluates `0.5 * px // patch * px // patch` from left to right, which
 * is half of the grid at 224 px and patch 14 (128), but 666 instead of 684 at 518 px.
 */
export function largestBlock(imagePx: number, patchPx: number, rule: 'as_code' | 'half_grid'): number {
  const gridPatches = imagePx / patchPx;
  switch (rule) {
    case 'as_code':
      return Math.floor((Math.floor((0.5 * imagePx) / patchPx) * imagePx) / patchPx);
    case 'half_grid':
      return gridPatches ** 2 / 2;
    default:
      return rule satisfies never;
  }
}
