import { describe, expect, it } from 'vitest';
import { imageSums, r2Score, scoreOfSums, sumColumns, sumRows } from './score.js';

/** sin(1, 2, ...) row-major and the like: the golden inputs of the tests. */
const wave = (f: (x: number) => number, length: number): number[] => Array.from({ length }, (_, i) => f(i + 1));

describe('r2Score', () => {
  it('equals the golden numbers for both forms', () => {
    // numpy, float64: target S(5, 2) * [1, 0.2], prediction + 0.1 C(5, 2).
    const target = Float64Array.from(wave(Math.sin, 10), (x, i) => x * (i % 2 === 0 ? 1 : 0.2));
    const prediction = Float64Array.from(wave(Math.cos, 10), (x, i) => (target[i] ?? 0) + 0.1 * x);
    const score = r2Score(target, prediction, 2);
    expect(score.global).toBeCloseTo(0.9775381093, 9);
    expect(score.perDimension[0]).toBeCloseTo(0.9863145556, 9);
    expect(score.perDimension[1]).toBeCloseTo(0.7943412949, 9);
    expect(score.perDimensionMean).toBeCloseTo(0.8903279252, 9);
  });

  it('is 1 for the target itself and 0 for its mean', () => {
    const target = Float64Array.of(1, -2, 0.5, 4, 3, 1);
    expect(r2Score(target, target, 2).perDimension).toEqual([1, 1]);
    const means = Float64Array.of(1.5, 1, 1.5, 1, 1.5, 1);
    for (const value of r2Score(target, means, 2).perDimension) expect(value).toBeCloseTo(0, 12);
  });

  it('adds up over images: sums by image give the score of all samples', () => {
    const target = Float64Array.from(wave(Math.sin, 4 * 3 * 2));
    const prediction = Float64Array.from(wave((x) => Math.sin(x) + 0.3 * Math.cos(7 * x), 4 * 3 * 2));
    const rows = imageSums(target, prediction, 2, 3);
    expect(rows.length).toBe(4 * sumColumns(2));
    const score = scoreOfSums(sumRows(rows, sumColumns(2)), 12);
    const direct = r2Score(target, prediction, 2);
    expect(score.global).toBeCloseTo(direct.global, 12);
    expect(score.perDimensionMean).toBeCloseTo(direct.perDimensionMean, 12);
  });

  it('refuses predictions of another shape', () => {
    expect(() => imageSums(new Float64Array(6), new Float64Array(4), 2, 1)).toThrow(/6 targets and 4 predictions/);
  });
});
