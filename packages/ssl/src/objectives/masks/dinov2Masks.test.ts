import { describe, expect, it } from 'vitest';
import { uniformStream } from '../../transforms/philox.js';
import { dinov2Masks, largestBlock, planDinov2Masks } from './dinov2Masks.js';

const options = { maskedFraction: 0.5, ratios: [0.1, 0.5], maxArea: 98 } as const;
const draw = (seed: number): (() => number) => uniformStream(seed, 0, 0, 0, 'mask');
const count = (mask: Uint8Array): number => mask.reduce((total, cell) => total + cell, 0);

describe("DINOv2's masks", () => {
  it('hide patches of exactly half of the images, one share from each bin', () => {
    const counts = dinov2Masks(draw(0), 20, 14, options).map(count);
    const hidden = counts.filter((number) => number > 0).sort((a, b) => a - b);
    expect(counts.length).toBe(20);
    expect(hidden.length).toBe(10);
    // Blocks may fall short of a share, never exceed it: bin i ends at 0.1 + 0.04 (i + 1).
    for (const [i, number] of hidden.entries()) expect(number).toBeLessThanOrEqual(196 * (0.1 + 0.04 * (i + 1)));
    expect(count(Uint8Array.from(hidden))).toBeGreaterThan(0.75 * 10 * 0.3 * 196);
  });

  it('come in another order for another stream', () => {
    const whichEmpty = (seed: number): string =>
      dinov2Masks(draw(seed), 20, 14, options)
        .map((mask) => `${Math.min(1, count(mask))}`)
        .join('');
    expect(new Set([0, 1, 2, 3].map(whichEmpty)).size).toBe(4);
  });

  it('round down an odd number of images, and can be none', () => {
    const numHidden = (numImages: number, maskedFraction: number): number =>
      dinov2Masks(draw(1), numImages, 14, { ...options, maskedFraction }).filter((mask) => count(mask) > 0).length;
    expect(numHidden(5, 0.5)).toBe(2);
    expect(numHidden(5, 0)).toBe(0);
    expect(numHidden(5, 1)).toBe(5);
  });

  it('are planned for both views together: all first views, then all second ones', () => {
    const drawOf = (image: number, view: number): (() => number) => uniformStream(3, 0, image, view, 'mask');
    const [first, second] = planDinov2Masks(2, 14, options)(drawOf, 4);
    const all = dinov2Masks(drawOf(0, 0), 8, 14, options);
    expect(first).toEqual(Uint8Array.from(all.slice(0, 4).flatMap((mask) => [...mask])));
    expect(second).toEqual(Uint8Array.from(all.slice(4).flatMap((mask) => [...mask])));
  });

  it("the code's largest block is half of the grid at 224 px, and less at 518", () => {
    expect([largestBlock(224, 16, 'as_code'), largestBlock(224, 16, 'half_grid')]).toEqual([98, 98]);
    expect([largestBlock(224, 14, 'as_code'), largestBlock(224, 14, 'half_grid')]).toEqual([128, 128]);
    expect([largestBlock(518, 14, 'as_code'), largestBlock(518, 14, 'half_grid')]).toEqual([666, 684.5]);
  });
});
