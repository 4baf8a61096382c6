import { loadSafetensors } from '@halfway/torch/io';
import { describe, expect, it } from 'vitest';
import { uniformStream } from '../transforms/philox.js';
import { bootstrap, jackknifeInterval, pairedTop1Difference, percentileInterval, wilsonInterval } from './intervals.js';
import { imageSums, scoreOfSums } from './r2/score.js';

const fixture = loadSafetensors(new URL('../../../../fixtures/eval.safetensors', import.meta.url).pathname).tensors;
const numbers = (name: string): number[] => Array.from(fixture.get(name)?.toTypedArray() ?? [], Number);

/** Normal draws from uniform ones (Box and Muller). */
function normals(seed: number): () => number {
  const draw = uniformStream(seed, 0, 0, 0, 'bootstrap');
  return () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
}

describe('jackknifeInterval', () => {
  it("of a mean is Student's interval of the group means", () => {
    // 10 groups of one value each: pseudo-values of the mean are the values themselves. R: t.test(1:10)$conf.int
    const values = Array.from({ length: 10 }, (_, i) => i + 1);
    const pseudoValues = values.map((value) => 10 * 5.5 - 9 * ((55 - value) / 9));
    const { low, high } = jackknifeInterval(5.5, pseudoValues);
    expect([low, high]).toEqual([expect.closeTo(3.334149, 6), expect.closeTo(7.665851, 6)]);
  });

  it('is for as many groups as its quantile', () => {
    expect(() => jackknifeInterval(0, [1, 2])).toThrow('internal: jackknifeInterval: 2 groups');
  });
});

describe('wilsonInterval', () => {
  it('equals the formula computed in numpy, at the ends too', () => {
    const [right, total, low, high] = ['right', 'total', 'low', 'high'].map((name) => numbers(`wilson.${name}`));
    right?.forEach((numRight, i) => {
      const interval = wilsonInterval(numRight, total?.[i] ?? 0);
      expect(interval.low).toBeCloseTo(low?.[i] ?? Number.NaN, 9);
      expect(interval.high).toBeCloseTo(high?.[i] ?? Number.NaN, 9);
    });
  });
});

describe('percentileInterval', () => {
  it("equals numpy's percentiles 2.5 and 97.5", () => {
    const interval = percentileInterval(Float64Array.from(numbers('percentile.values')));
    const [low, high] = numbers('percentile.ends');
    expect(interval.low).toBeCloseTo(low ?? Number.NaN, 12);
    expect(interval.high).toBeCloseTo(high ?? Number.NaN, 12);
  });

  it('leaves out values that are not finite', () => {
    expect(percentileInterval(Float64Array.of(Number.NaN, 2, -Infinity, 2))).toEqual({ low: 2, high: 2 });
  });
});

describe('bootstrap', () => {
  it('covers the true R2 about 95 times in 100, with several thetas an image that share an error', () => {
    // t uniform in [-1, 1], error = image effect + sample noise: R2 = 1 - (0.2^2 + 0.2^2) / (1 / 3).
    const truth = 1 - 3 * (0.2 ** 2 + 0.2 ** 2);
    const uniform = uniformStream(3, 0, 0, 0, 'bootstrap');
    const normal = normals(4);
    let covered = 0;
    for (let trial = 0; trial < 200; trial++) {
      const target = Float64Array.from({ length: 60 * 4 }, () => 2 * uniform() - 1);
      const shared = Float64Array.from({ length: 60 }, () => 0.2 * normal());
      const prediction = target.map((t, i) => t + (shared[Math.floor(i / 4)] ?? 0) + 0.2 * normal());
      const rows = imageSums(target, prediction, 1, 4);
      const [values] = bootstrap(rows, 3, (sums) => [scoreOfSums(sums, 240).global]);
      const { low, high } = percentileInterval(values ?? new Float64Array(0));
      if (low <= truth && truth <= high) covered += 1;
    }
    expect(covered / 200).toBeGreaterThan(0.88);
    expect(covered / 200).toBeLessThan(0.99);
  });

  it('gives the same values for the same rows, and all statistics from the same resamples', () => {
    const rows = Float64Array.from({ length: 30 }, (_, i) => Math.sin(i));
    const twice = (): Float64Array[] => bootstrap(rows, 1, (sums) => [sums[0] ?? 0, 2 * (sums[0] ?? 0)]);
    expect(twice()).toEqual(twice());
    const [once, doubled] = twice();
    expect(doubled).toEqual(once?.map((value) => 2 * value));
  });

  it('draws whole images: an image alone has no spread', () => {
    const [values] = bootstrap(Float64Array.of(1, 2, 3), 3, (sums) => [sums.reduce((a, b) => a + b, 0)]);
    expect(new Set(values)).toEqual(new Set([6]));
  });
});

describe('pairedTop1Difference', () => {
  it('is narrower than the two intervals when the encoders mostly agree', () => {
    const before = Uint8Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 1 : 0));
    const after = before.map((right, i) => (i % 40 === 1 ? 1 : right));
    const { difference, interval } = pairedTop1Difference([[before, after]]);
    expect(difference).toBeCloseTo(2.5, 12);
    expect(interval.low).toBeGreaterThan(0);
    expect(interval.high).toBeLessThan(5);
  });

  it('refuses answers about different photos', () => {
    expect(() => pairedTop1Difference([[new Uint8Array(3), new Uint8Array(4)]])).toThrow(
      /same photos, got 3, 3 and 4; evaluate all on one set/,
    );
  });
});
