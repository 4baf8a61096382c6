// Initialisers against PyTorch's values for the same seed (fixtures/nn.py), exact bounds and statistics.

import { describe, expect, it } from 'vitest';
import { type Tensor, generator, memory, scope, zeros } from '../index.js';
import { Fixture } from '../testing/fixture.case.js';
import { expectClose } from '../testing/index.js';
import { Conv2d, ConvTranspose2d, Linear, init } from './index.js';

const fixture = new Fixture('nn');
const rng = () => generator(11);
// The logarithm and cosine of a normal draw differ in the last bits between instruction sets.
const tolerance = { rtol: 1e-6, atol: 1e-7 };

const drawn: Readonly<Record<string, () => Tensor>> = {
  uniform: () => init.uniform_(zeros([5, 3]), -0.25, 0.5, rng()),
  normal: () => init.normal_(zeros([5, 7]), 0.3, rng()),
  truncNormal: () => init.truncNormal_(zeros([5, 7]), 0.02, rng()),
  truncNormalCut: () => init.truncNormal_(zeros([40, 5]), 1.5, rng()),
  kaimingUniform: () => init.kaimingUniform_(zeros([4, 3, 2, 2]), Math.sqrt(5), rng()),
  xavierUniform: () => init.xavierUniform_(zeros([4, 3, 2, 2]), rng()),
};

describe('init', () => {
  it.each(Object.keys(drawn))('%s gives the values of PyTorch for the same seed', (name) => {
    scope(() => {
      const actual = drawn[name]?.() ?? zeros([]);
      expectClose(actual, fixture.get(`init/${name}`), { what: name, ...tolerance });
    });
  });

  it('layers start with the values of PyTorch for the same seed', () => {
    scope(() => {
      const made = {
        linear: new Linear(7, 5, rng()),
        conv: new Conv2d(3, 4, { kernel: 3 }, rng()),
        convTranspose: new ConvTranspose2d(4, 3, { kernel: 2 }, rng()),
      };
      for (const [name, layer] of Object.entries(made)) {
        const expected = fixture.below(`default/${name}/`);
        expect(expected.size).toBe(2);
        for (const [weight, tensor] of layer.stateDict()) {
          expectClose(tensor, expected.get(weight) ?? 0, { what: `${name} ${weight}`, ...tolerance });
        }
      }
    });
  });

  it('uniform bounds are reached and never passed', () => {
    scope(() => {
      const size = [400, 3, 4, 4]; // fan_in 48, fan_out 6400
      const bounds = [
        [init.uniform_(zeros(size), -0.5, 0.25, rng()), -0.5, 0.25],
        [init.kaimingUniform_(zeros(size), Math.sqrt(5), rng()), -1 / Math.sqrt(48), 1 / Math.sqrt(48)],
        [init.kaimingUniform_(zeros(size), 0, rng()), -Math.sqrt(6 / 48), Math.sqrt(6 / 48)],
        [init.xavierUniform_(zeros(size), rng()), -Math.sqrt(6 / 6448), Math.sqrt(6 / 6448)],
      ] as const;
      for (const [values, low, high] of bounds) {
        const [least, most] = [values.min().item(), values.max().item()];
        const widthRounding = (high - low) * 1e-6;
        expect(least).toBeGreaterThanOrEqual(low - widthRounding);
        expect(most).toBeLessThanOrEqual(high + widthRounding);
        // 19,200 draws: none within 1/1000 of an end has a chance of e^-19.
        expect(least).toBeLessThan(low + (high - low) / 1000);
        expect(most).toBeGreaterThan(high - (high - low) / 1000);
      }
    });
  });

  it('normals have their mean and deviation, and truncNormal_ at std 1 those of the cut distribution', () => {
    scope(() => {
      const numDraws = 40_000;
      // Variance of N(0, 1) cut to [-2, 2]: 1 - 4 phi(2) / (2 Phi(2) - 1).
      const cutStd = Math.sqrt(1 - (4 * 0.05399096651) / 0.9544997361);
      const draws = [
        [init.normal_(zeros([numDraws]), 0.3, rng()), 0.3],
        [init.truncNormal_(zeros([numDraws]), 0.02, rng()), 0.02],
        [init.truncNormal_(zeros([numDraws]), 1, rng()), cutStd],
      ] as const;
      for (const [values, std] of draws) {
        expect(Math.abs(values.mean().item())).toBeLessThan((4 * std) / Math.sqrt(numDraws));
        expect(Math.abs(values.std().item() / std - 1)).toBeLessThan(4 / Math.sqrt(2 * numDraws));
        expect(values.abs().max().item()).toBeLessThanOrEqual(2);
      }
    });
  });

  it('truncNormal_ refuses a std that leaves too little inside', () => {
    for (const std of [-1, 5.1, Number.NaN]) {
      expect(() => init.truncNormal_(zeros([1]), std, rng())).toThrow(
        `truncNormal_: std must be in [0, 5], got ${std}`,
      );
    }
  });

  it('constant_ fills, records nothing and returns its tensor', () => {
    const weight = zeros([2], { dtype: 'float32' }).requiresGrad_();
    const before = memory.stats().liveTensors;
    expect(init.constant_(weight, 3)).toBe(weight);
    expect([weight.toArray(), weight.isLeaf, memory.stats().liveTensors]).toEqual([[3, 3], true, before]);
  });
});
