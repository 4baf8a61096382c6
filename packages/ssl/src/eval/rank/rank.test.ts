/** Effective rank of features: known spectra, its interval, and what is left alive. */
import { full, generator, memory, randn, scope, tensor } from '@halfway/torch';
import { expect, it } from 'vitest';
import { effectiveRank } from '../../models/health.js';
import { rank } from './rank.js';

const NUM_PHOTOS = 400;

it('is the number of directions where all count alike, with an interval around it', () => {
  scope(() => {
    const rng = generator(0);
    const threeOfEight = tensor(Float32Array.from({ length: 8 }, (_, i) => (i < 3 ? 1 : 0))); // [D]
    const features = randn([NUM_PHOTOS, 8], { generator: rng }).mul(threeOfEight).add(5);
    const { effectiveRank: value, featureDim, interval, protocol } = rank(features);
    expect(featureDim).toBe(8);
    expect(value).toBeGreaterThan(2.98); // singular values of 400 draws differ by a twentieth
    expect(value).toBeLessThanOrEqual(3);
    expect(interval.low).toBeLessThan(value);
    expect(interval.high).toBeGreaterThan(value);
    expect(interval.high - interval.low).toBeLessThan(0.1);
    expect(protocol).toContain('centred features of 400 photos');
    rng.dispose();
  });
});

it('counts unequal directions by the entropy of their shares', () => {
  scope(() => {
    // Two orthogonal, centred columns with singular values 3 and 1: shares 3/4 and 1/4.
    const rows = Array.from({ length: NUM_PHOTOS }, (_, i) => [i % 2 === 0 ? 3 : -3, i % 4 < 2 ? 1 : -1]);
    const entropy = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25));
    const { effectiveRank: value } = rank(tensor(Float32Array.from(rows.flat())).reshape([NUM_PHOTOS, 2]));
    expect(value).toBeCloseTo(Math.exp(entropy), 5);
  });
});

it('and its pseudo-values are those of singular values of the photos that are left', () => {
  scope(() => {
    const rng = generator(1);
    const features = randn([43, 6], { generator: rng })
      .matmul(randn([6, 6], { generator: rng }))
      .add(100);
    const { effectiveRank: whole, pseudoValues } = rank(features);
    expect(whole).toBeCloseTo(effectiveRank(features).item(), 3); // float32, whose numbers near 100 are 1e-5 apart
    for (const [group, pseudoValue] of pseudoValues.entries()) {
      const left = Int32Array.from(Array.from({ length: 43 }, (_, i) => i).filter((i) => i % 10 !== group));
      const without = effectiveRank(features.indexSelect(0, tensor(left))).item();
      expect(pseudoValue).toBeCloseTo(10 * whole - 9 * without, 2);
    }
    rng.dispose();
  });
});

it('is 0 where all features are equal', () => {
  scope(() => expect(rank(full([30, 4], 0.7)).effectiveRank).toBe(0));
});

it('leaves no tensor alive', () => {
  const features = tensor(Float32Array.from({ length: 100 }, (_, i) => Math.sin(i))).reshape([20, 5]);
  const before = memory.stats().liveTensors;
  rank(features);
  expect(memory.stats().liveTensors).toBe(before);
  features.dispose();
});
