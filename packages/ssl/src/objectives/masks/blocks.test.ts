import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uniformStream } from '../../transforms/philox.js';
import { authors } from '../dinoAuthors.case.js';
import { drawBlocks } from './blocks.js';
import { dinov2Masks } from './dinov2Masks.js';
import { ibotMask } from './ibotMask.js';

const sum = (mask: Uint8Array): number => mask.reduce((total, cell) => total + cell, 0);

interface AuthorsBlocks {
  readonly gridPatches: number;
  readonly numMasked: number;
  readonly minArea: number;
  readonly maxArea: number;
  readonly mask: readonly number[];
  /** The authors' uniform numbers, after others that came before the blocks; NaN once they are used up. */
  readonly draw: () => number;
  readonly numLeft: () => number;
}

function authorsBlocks(name: string, ...before: readonly number[]): AuthorsBlocks {
  const numbersOf = (key: string): number[] => authors.get(`blocks/${name}/${key}`).toArray() as number[];
  const [gridPatches = 0, numMasked = 0, minArea = 0, maxArea = 0] = numbersOf('options');
  const numbers = [...before, ...numbersOf('draws')];
  const mask = [...(authors.get(`blocks/${name}/mask`).toTypedArray() as Uint8Array)].map(Number);
  const draw = (): number => numbers.shift() ?? NaN;
  return { gridPatches, numMasked, minArea, maxArea, mask, draw, numLeft: () => numbers.length };
}

describe('blocks for the uniform numbers of the authors are theirs', () => {
  it.each(['ibot0', 'ibot1', 'ibot2', 'dinov20', 'dinov21', 'dinov22'])('%s', (name) => {
    const { draw, mask, numLeft, ...options } = authorsBlocks(name);
    expect([...drawBlocks(draw, options)]).toEqual(mask);
    expect(numLeft()).toBe(0);
    expect(sum(Uint8Array.from(mask))).toBeGreaterThan(0);
  });

  it.each(['ibot0', 'ibot1', 'ibot2'])("%s, with the areas that iBOT's masks have", (name) => {
    const { gridPatches, numMasked, mask, draw, numLeft } = authorsBlocks(name, 0.5, 0); // the share, and which of one
    const ratios = [[numMasked / gridPatches ** 2, 0]] as const;
    expect([...ibotMask(draw, gridPatches, { ratios, shape: 'block' })]).toEqual(mask);
    expect(numLeft()).toBe(0);
  });

  it.each(['dinov20', 'dinov21', 'dinov22'])("%s, with the areas that DINOv2's masks have", (name) => {
    const { gridPatches, numMasked, maxArea, mask, draw, numLeft } = authorsBlocks(name, 0.5); // where in its bin the share is
    const ratios = [numMasked / gridPatches ** 2, (numMasked + 1) / gridPatches ** 2] as const;
    const [own] = dinov2Masks(draw, 1, gridPatches, { maskedFraction: 1, ratios, maxArea });
    expect([...(own ?? [])]).toEqual(mask);
    expect(numLeft()).toBe(0);
  });
});

describe('drawBlocks', () => {
  it('never covers more than it should, for any grid and area', () => {
    const cases = fc.record({
      gridPatches: fc.integer({ min: 1, max: 20 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      minArea: fc.integer({ min: 0, max: 30 }),
      maxArea: fc.integer({ min: 1, max: 200 }),
      seed: fc.nat(1e6),
    });
    fc.assert(
      fc.property(cases, ({ gridPatches, share, minArea, maxArea, seed }) => {
        const numMasked = share * gridPatches ** 2;
        const mask = drawBlocks(uniformStream(seed, 0, 0, 0, 'mask'), { gridPatches, numMasked, minArea, maxArea });
        expect(mask.length).toBe(gridPatches ** 2);
        expect(sum(mask)).toBeLessThanOrEqual(numMasked);
      }),
      { numRuns: 300 },
    );
  });

  it('covers nearly what it should on the grid of a ViT, in blocks', () => {
    const shares = Array.from({ length: 50 }, (_, seed) => {
      const options = { gridPatches: 14, numMasked: 70, minArea: 16, maxArea: Infinity };
      return drawBlocks(uniformStream(seed, 0, 0, 0, 'mask'), options);
    });
    const mean = shares.reduce((total, mask) => total + sum(mask), 0) / shares.length;
    expect(mean).toBeGreaterThan(55);
    // Two neighbours are alike far more often than among cells that are hidden at random.
    const alike = shares.map((mask) => mask.filter((cell, i) => i % 14 > 0 && cell === mask[i - 1]).length / (14 * 13));
    expect(alike.reduce((total, share) => total + share, 0) / alike.length).toBeGreaterThan(0.75);
  });
});
