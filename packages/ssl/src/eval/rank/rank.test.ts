/** Effective rank of features: known spectra, its interval, and what is left alive. */
import { generator, memory, randn, scope, tensor } from '@halfway/torch';
import { expect, it } from 'vitest';
import { rank } from './rank.js';

const NUM_PHOTOS = 400;

it('is the number of directions where all count alike, with an interval around it', () => {
  scope(() => {
    const rng = generator(0);
    const threeOfEight = tensor(Float32Array.from({ length: 8 }, (_, i) => (i < 3 ? 1 : 0))); // [D]
    const features = randn([NUM_PHOTOS, 8], { generator: rng }).mul(threeOfEight).add(5);
    const { effectiveRank, featureDim, interval, protocol } = rank(features);
    expect(featureDim).toBe(8);
    expect(effectiveRank).toBeGreaterThan(2.98); // singular values of 400 draws differ by a twentieth
    expect(effectiveRank).toBeLessThanOrEqual(3);
    expect(interval.low).toBeLessThan(effectiveRank);
    expect(interval.high).toBeGreaterThan(effectiveRank);
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
    const { effectiveRank } = rank(tensor(Float32Array.from(rows.flat())).reshape([NUM_PHOTOS, 2]));
    expect(effectiveRank).toBeCloseTo(Math.exp(entropy), 5);
  });
});

it('leaves no tensor alive', () => {
  const features = tensor(Float32Array.from({ length: 100 }, (_, i) => Math.sin(i))).reshape([20, 5]);
  const before = memory.stats().liveTensors;
  rank(features);
  expect(memory.stats().liveTensors).toBe(before);
  features.dispose();
});
