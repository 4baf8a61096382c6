import { describe, expect, it } from 'vitest';
import { type Generator, type Tensor, generator, ones, scope } from '../index.js';
import { Fixture } from '../testing/fixture.case.js';
import { expectClose, gradientCheck } from '../testing/index.js';
import { type ForwardContext, dropPath, dropout, dropout2d } from './index.js';

const fixture = new Fixture('nn');
const context = (train: boolean, seed = 5): ForwardContext & { readonly rng: Generator } => {
  return { train, rng: generator(seed), computeDtype: 'float32' };
};

/** With the number of values of a [N, 2, 2, 2] that are dropped together. */
const functions = { dropout: [dropout, 1], dropout2d: [dropout2d, 4], dropPath: [dropPath, 8] } as const;

describe.each(Object.entries(functions))('%s', (name, [drop, grain]) => {
  it('drops what PyTorch (for paths timm) drops with the same seed, and scales the rest by 1 / (1 - rate)', () => {
    scope(() => {
      expectClose(drop(fixture.get('drop/x'), 0.25, context(true)), fixture.get(`drop/${name}`));
    });
  });

  it('drops whole grains at the given rate', () => {
    scope(() => {
      const numGrains = 20_000;
      const x = ones([(numGrains * grain) / 8, 2, 2, 2]);
      const y = drop(x, 0.1, context(true)).reshape([numGrains, grain]);
      expectClose(y.amin([1]), y.amax([1]));
      expectClose(y.amax(), 1 / 0.9);
      const dropped = y.amax([1]).eq(0).sum().item() / numGrains;
      expect(Math.abs(dropped - 0.1)).toBeLessThan(4 * Math.sqrt((0.1 * 0.9) / numGrains));
    });
  });

  it('has the gradient of its differences, with the draws held', () => {
    scope(() => {
      const x = fixture.get('drop/x').narrow(0, 0, 4).to('float64');
      gradientCheck((input: Tensor) => drop(input, 0.5, context(true)), [x]);
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
        expect(drop(x, rate, ctx)).toBe(x);
        expect(ctx.rng.getState()).toEqual(before);
      }
      expect(drop(x, 0.5, { train: false, computeDtype: 'float32' })).toBe(x);
    });
  });

  it('refuses a rate outside [0, 1)', () => {
    for (const rate of [1, -0.1, Number.NaN]) {
      expect(() => drop(ones([1]), rate, context(false))).toThrow(`${name}: rate must be in [0, 1), got ${rate}`);
    }
  });
});
