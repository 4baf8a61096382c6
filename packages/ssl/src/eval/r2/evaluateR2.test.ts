import { memory } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { present } from '../../models/fixture.case.js';
import {
  BORDERS,
  R2_PARAMETERS,
  type Border,
  type Interval,
  type R2Parameter,
  type R2Report,
} from '../../protocol/report.js';
import { answersOf, describeHeads, r2ReportOf, type R2Answer } from './evaluateR2.js';
import { partsOf, relativePairs, silentPairs, tellingPairs } from './pairs.case.js';

type Figure = R2Parameter | 'mean';

const options = { headWidth: 16, headEpochs: 100 };

/** Inside the border theta can be compared for, at the zero border it is told outright, and blur is never told. */
async function report(): Promise<R2Report> {
  const answers: R2Answer[] = [];
  for (const border of BORDERS) {
    for (const parameter of R2_PARAMETERS) {
      const make = parameter === 'blur' ? silentPairs : border === 'zeros' ? tellingPairs : relativePairs;
      answers.push(...(await answersOf(parameter, border, partsOf(make, {}, [160, 20, 25]), options)));
    }
  }
  return r2ReportOf(answers, describeHeads(options));
}

describe('evaluateR2', () => {
  it('reports every parameter, border and head, with the mean of the headline numbers', async () => {
    const before = memory.stats().liveTensors;
    const { detail, protocol, ...figures } = await report();
    expect(detail).toHaveLength(16);
    const valueOf = (border: Border, name: Figure): number => present(figures[border]?.[name]);
    expect(valueOf('zeros', 'rotation')).toBeGreaterThan(0.7);
    expect(valueOf('zeros', 'blur')).toBeLessThan(0.2);
    for (const border of BORDERS) {
      const sum = R2_PARAMETERS.reduce((total, name) => total + valueOf(border, name), 0);
      expect(valueOf(border, 'mean')).toBeCloseTo(sum / 4, 12);
      const intervalOf = (name: Figure): Interval => present(figures.intervals[border]?.[name]);
      for (const name of [...R2_PARAMETERS, 'mean'] as const) {
        expect(intervalOf(name).low).toBeLessThan(valueOf(border, name));
        expect(intervalOf(name).high).toBeGreaterThan(valueOf(border, name));
      }
      // One bootstrap: the mean of four is steadier than the least steady of them.
      const width = (name: Figure): number => intervalOf(name).high - intervalOf(name).low;
      expect(width('mean')).toBeLessThan(Math.max(...R2_PARAMETERS.map(width)));
    }
    expect(protocol).toContain('MLP 2D-16-16-P');
    // All that is left is what `partsOf` made: 3 sets of 3 tensors, 8 times.
    expect(memory.stats().liveTensors - before).toBe(72);
  });

  it('sets the head on g(I) alone beside both heads', async () => {
    const answers = await answersOf('rotation', 'inside', partsOf(relativePairs), options);
    const { detail } = r2ReportOf(answers, '');
    const ridge = present(detail.find((row) => row.head === 'ridge'));
    expect(ridge.perDimensionMean).toBeGreaterThan(0.99);
    expect(ridge.transformedOnly).toBeLessThan(0.2);
    expect(detail.find((row) => row.head === 'mlp')?.transformedOnly).toBe(ridge.transformedOnly);
  });

  it('leaves out what was not asked, and gives the rest the same figures', async () => {
    const ask = (parameter: 'rotation' | 'color'): Promise<readonly R2Answer[]> =>
      answersOf(parameter, 'inside', partsOf(relativePairs, {}, [40, 10, 12]), options);
    const [rotation, color] = [await ask('rotation'), await ask('color')];
    const { inside, zeros, intervals } = r2ReportOf(rotation, '');
    expect([Object.keys(inside ?? {}), zeros, Object.keys(intervals)]).toEqual([['rotation'], undefined, ['inside']]);
    const both = r2ReportOf([...rotation, ...color], '');
    expect(Object.keys(both.inside ?? {})).toEqual(['rotation', 'color']); // a mean of these two would not compare with others
    expect(both.inside?.rotation).toBe(inside?.rotation);
    expect(both.intervals.inside?.rotation).toEqual(intervals.inside?.rotation);
  });

  it('refuses answers about different test images', async () => {
    const some = await answersOf('rotation', 'inside', partsOf(silentPairs, {}, [40, 10, 12]), options);
    const others = await answersOf('color', 'inside', partsOf(silentPairs, {}, [40, 10, 13]), options);
    expect(() => r2ReportOf([...some, ...others], '')).toThrow(/different test images, got 13 and 12/);
  });
});
