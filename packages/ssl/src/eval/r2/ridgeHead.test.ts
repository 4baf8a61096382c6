import { memory, scope } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { Fixture } from '../../models/fixture.case.js';
import type { PairSet } from './pairSet.js';
import { partsOf, relativePairs, silentPairs, tellingPairs } from './pairs.case.js';
import { ridgeHead } from './ridgeHead.js';
import { r2Score } from './score.js';

const fixture = new Fixture('eval');

function fixtureSet(part: string): PairSet {
  const get = (name: string): PairSet['base'] => fixture.get(`ridge.${part}.${name}`);
  return { base: get('base'), transformed: get('transformed'), target: get('target'), thetasPerImage: 3 };
}

function scoreOf(parts: { fit: PairSet; validation: PairSet; test: PairSet }, input: 'pair' | 'transformed'): number {
  const { prediction } = ridgeHead(parts.fit, parts.validation, parts.test, input);
  const target = parts.test.target.toTypedArray() as Float32Array;
  return r2Score(target, prediction, parts.test.target.shape[1] ?? 0).perDimensionMean;
}

describe('ridgeHead', () => {
  const [fit, validation, test] = ['fit', 'validation', 'test'].map(fixtureSet) as [PairSet, PairSet, PairSet];
  const strengths = Array.from(fixture.get('ridge.strengths').toTypedArray(), Number);
  const expected = Array.from(fixture.get('ridge.predictions').toTypedArray(), Number); // [strengths, 15 * 2]

  it.each(strengths.map((strength, i) => [strength, i] as const))(
    "equals numpy's augmented least squares at strength %f",
    (strength, i) => {
      const { prediction } = ridgeHead(fit, validation, test, 'pair', [strength]);
      expect(prediction).toHaveLength(30);
      prediction.forEach((value, at) => expect(value).toBeCloseTo(expected[30 * i + at] ?? Number.NaN, 9));
    },
  );

  it('takes the strength with the smallest error on validation', () => {
    const errors = Array.from(fixture.get('ridge.validationErrors').toTypedArray(), Number);
    const best = errors.indexOf(Math.min(...errors));
    const { prediction, chosen } = ridgeHead(fit, validation, test, 'pair', strengths);
    expect(chosen).toBe(`strength ${strengths[best]?.toExponential(1) ?? ''}`);
    expect(prediction[0]).toBeCloseTo(expected[30 * best] ?? Number.NaN, 9);
  });

  it('finds theta where it is, and finds nothing where it is not', () => {
    expect(scoreOf(partsOf(tellingPairs), 'pair')).toBeGreaterThan(0.999);
    expect(scoreOf(partsOf(silentPairs), 'pair')).toBeLessThan(0.03);
    expect(scoreOf(partsOf(silentPairs), 'pair')).toBeGreaterThan(-0.1);
  });

  it('needs I where theta is relative to it', () => {
    const parts = partsOf(relativePairs);
    expect(scoreOf(parts, 'pair')).toBeGreaterThan(0.99);
    expect(scoreOf(parts, 'transformed')).toBeLessThan(0.2);
  });

  it('leaves no tensor behind', () => {
    const parts = partsOf(tellingPairs);
    const before = memory.stats().liveTensors;
    scope(() => ridgeHead(parts.fit, parts.validation, parts.test, 'pair'));
    expect(memory.stats().liveTensors).toBe(before);
  });
});
