import { describe, expect, it } from 'vitest';
import { uniformStream } from '../../transforms/philox.js';
import type { UniformDraw } from '../../transforms/transformation.js';
import { ibotMask, type IbotMaskOptions, planIbotMasks } from './ibotMask.js';

const drawOf = (image: number, view: number): UniformDraw => uniformStream(5, 0, image, view, 'mask');
const count = (mask: Uint8Array): number => mask.reduce((total, cell) => total + cell, 0);
// iBOT's README: half of the images whole, the others with 10 to 50 % hidden.
const README = [
  [0, 0],
  [0.3, 0.2],
] as const;

function counts(options: IbotMaskOptions): number[] {
  return Array.from({ length: 400 }, (_, image) => count(ibotMask(drawOf(image, 0), 14, options)));
}

describe("iBOT's masks", () => {
  it("have the README's shares: half of the images none, the rest 10 to 50 %", () => {
    const random = counts({ ratios: README, shape: 'random' });
    const hidden = random.filter((number) => number > 0);
    expect(hidden.length).toBeGreaterThan(160);
    expect(hidden.length).toBeLessThan(240);
    expect(Math.min(...hidden)).toBeGreaterThanOrEqual(Math.floor(0.1 * 196));
    expect(Math.max(...hidden)).toBeLessThanOrEqual(0.5 * 196);
    const mean = hidden.reduce((total, number) => total + number) / hidden.length;
    expect(Math.abs(mean / 196 - 0.3)).toBeLessThan(0.02);
  });

  it('of random patches hide exactly their share; blocks at most that', () => {
    const ratios = [[0.37, 0]] as const;
    expect(new Set(counts({ ratios, shape: 'random' }))).toEqual(new Set([Math.floor(0.37 * 196)]));
    const blocks = counts({ ratios, shape: 'block' });
    expect(Math.max(...blocks)).toBeLessThanOrEqual(Math.floor(0.37 * 196));
    expect(new Set(blocks).size).toBeGreaterThan(1);
  });

  it('are planned image by image, each from its own stream', () => {
    const options = { ratios: [[0.3, 0.2]], shape: 'block' } as const;
    const plan = planIbotMasks(2, 14, options);
    const [first, second] = plan(drawOf, 3);
    expect(first?.length).toBe(3 * 196);
    expect(first?.slice(196, 392)).toEqual(ibotMask(drawOf(1, 0), 14, options));
    expect(second?.slice(392)).toEqual(ibotMask(drawOf(2, 1), 14, options));
    expect(plan(drawOf, 2)[0]).toEqual(first?.slice(0, 392)); // whoever else is in the batch
  });
});
