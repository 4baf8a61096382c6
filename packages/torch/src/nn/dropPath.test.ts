import { describe, expect, it } from 'vitest';
import { generator, ones, scope } from '../index.js';
import { Fixture } from '../testing/fixture.case.js';
import { expectClose } from '../testing/index.js';
import { type ForwardContext, dropPath } from './index.js';

const context = (train: boolean, seed = 5): ForwardContext => {
  return { train, rng: generator(seed), computeDtype: 'float32' };
};

describe('dropPath', () => {
  it('drops the images that timm drops with the same seed, and scales the others by 1 / (1 - rate)', () => {
    scope(() => {
      const fixture = new Fixture('nn');
      expectClose(dropPath(fixture.get('dropPath/x'), 0.25, context(true)), fixture.get('dropPath/y'));
    });
  });

  it('drops whole images at the given rate', () => {
    scope(() => {
      const numImages = 20_000;
      const y = dropPath(ones([numImages, 2, 2]), 0.1, context(true)).reshape([numImages, 4]);
      expectClose(y.amin([1]), y.amax([1]));
      const dropped = y.amax([1]).eq(0).sum().item() / numImages;
      expect(Math.abs(dropped - 0.1)).toBeLessThan(4 * Math.sqrt((0.1 * 0.9) / numImages));
    });
  });

  it('is the identity, and draws nothing, out of training or at rate 0', () => {
    scope(() => {
      const x = ones([2, 3]);
      for (const [rate, train] of [
        [0.5, false],
        [0, true],
      ] as const) {
        const ctx = context(train);
        const before = ctx.rng.getState();
        expect(dropPath(x, rate, ctx)).toBe(x);
        expect(ctx.rng.getState()).toEqual(before);
      }
    });
  });

  it('refuses a rate outside [0, 1)', () => {
    for (const rate of [1, -0.1, Number.NaN]) {
      expect(() => dropPath(ones([1]), rate, context(false))).toThrow(`dropPath: rate must be in [0, 1), got ${rate}`);
    }
  });
});
