import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uniformStream } from '../../transforms/philox.js';
import { authors } from '../dinoAuthors.case.js';
import { drawBlocks } from './blocks.js';

const sum = (mask: Uint8Array): number => mask.reduce((total, cell) => total + cell, 0);

describe('drawBlocks', () => {
  it.each(['ibot0', 'ibot1', 'ibot2', 'dinov20', 'dinov21', 'dinov22'])(
    "gives the authors' mask for the same uniform numbers: %s",
    (name) => {
      const draws = authors.get(`blocks/${name}/draws`).toArray() as number[];
      const [gridPatches = 0, numMasked = 0, minArea = 0, maxArea = 0] = authors
        .get(`blocks/${name}/options`)
        .toArray() as number[];
      const numbers = draws.values();
      const draw = (): number => numbers.next().value ?? NaN;
      const mask = drawBlocks(draw, { gridPatches, numMasked, minArea, maxArea });
      expect([...mask]).toEqual([...(authors.get(`blocks/${name}/mask`).toTypedArray() as Uint8Array)].map(Number));
      expect(numbers.next().done).toBe(true); // it took as many
      expect(sum(mask)).toBeGreaterThan(0);
    },
  );

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
