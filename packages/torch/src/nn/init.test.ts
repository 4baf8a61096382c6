// Initialisers against PyTorch's values for the same seed (fixtures/nn.py), exact bounds and statistics.

import { describe, expect, it } from 'vitest';
import { type Tensor, generator, memory, scope, zeros } from '../index.js';
import { Fixture } from '../testing/fixture.case.js';
import { expectClose } from '../testing/index.js';
import {
  BatchNorm1d,
  BatchNorm2d,
  Conv1d,
  Conv2d,
  ConvTranspose2d,
  Embedding,
  GroupNorm,
  LayerNorm,
  Linear,
  type Module,
  MultiheadAttention,
  init,
} from './index.js';

const fixture = new Fixture('nn');
const rng = () => generator(11);
// The logarithm and cosine of a normal draw differ in the last bits between instruction sets.
const tolerance = { rtol: 1e-6, atol: 1e-7 };

const drawn: Readonly<Record<string, () => Tensor>> = {
  uniform: () => init.uniform_(zeros([5, 3]), -0.25, 0.5, rng()),
  normal: () => init.normal_(zeros([5, 7]), 0.3, rng()),
  truncNormal: () => init.truncNormal_(zeros([5, 7]), 0.02, rng()),
  truncNormalCut: () => init.truncNormal_(zeros([40, 5]), 1.5, rng()),
  kaimingNormalIn: () => init.kaimingNormal_(zeros([4, 3, 2, 2]), 0.2, 'in', rng()),
  kaimingNormalOut: () => init.kaimingNormal_(zeros([4, 3, 2, 2]), 0, 'out', rng()),
  kaimingUniform: () => init.kaimingUniform_(zeros([4, 3, 2, 2]), Math.sqrt(5), rng()),
  xavierUniform: () => init.xavierUniform_(zeros([4, 3, 2, 2]), rng()),
};

const layers: Readonly<Record<string, () => Module>> = {
  linear: () => new Linear(7, 5, rng()),
  conv1d: () => new Conv1d(4, 6, { kernel: 3, groups: 2 }, rng()),
  conv: () => new Conv2d(3, 4, { kernel: 3 }, rng()),
  convTranspose: () => new ConvTranspose2d(4, 3, { kernel: 2 }, rng()),
  embedding: () => new Embedding(5, 3, rng(), { paddingIndex: 1 }),
  layerNorm: () => new LayerNorm(3),
  groupNorm: () => new GroupNorm(2, 4),
  batchNorm1d: () => new BatchNorm1d(3),
  batchNorm2d: () => new BatchNorm2d(3),
  multihead: () => new MultiheadAttention({ dim: 6, numHeads: 2 }, rng()),
  multiheadPlain: () => new MultiheadAttention({ dim: 6, numHeads: 2, bias: false }, rng()),
};

describe('init', () => {
  it.each(Object.keys(drawn))('%s gives the values of PyTorch for the same seed', (name) => {
    scope(() => {
      const actual = drawn[name]?.() ?? zeros([]);
      expectClose(actual, fixture.get(`init/${name}`), { what: name, ...tolerance });
    });
  });

  it.each(Object.keys(layers))('%s starts with the values of PyTorch for the same seed', (name) => {
    scope(() => {
      const layer = layers[name]?.() ?? new LayerNorm(1);
      const [own, expected] = [layer.stateDict(), fixture.below(`default/${name}/`)];
      expect([...own.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [key, values] of own) {
        const exact = values.dtype === 'int64' ? {} : tolerance;
        expectClose(values, expected.get(key) ?? 0, { what: `${name} ${key}`, ...exact });
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
        [init.kaimingNormal_(zeros([numDraws / 50, 50]), 0, 'in', rng()), Math.sqrt(2 / 50)],
        [init.kaimingNormal_(zeros([50, numDraws / 50]), 1, 'out', rng()), Math.sqrt(1 / 50)],
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
