import { memory } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { present } from '../../models/fixture.case.js';
import { BORDERS, R2_PARAMETERS, type R2Report } from '../../protocol/report.js';
import { answersOf, describeHeads, r2ReportOf, type R2Answer } from './evaluateR2.js';
import { partsOf, relativePairs, silentPairs, tellingPairs } from './pairs.case.js';

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
    const { inside, zeros, detail, intervals, protocol } = await report();
    expect(detail).toHaveLength(16);
    expect(zeros.rotation).toBeGreaterThan(0.7);
    expect(zeros.blur).toBeLessThan(0.2);
    expect(inside.mean).toBeCloseTo((inside.rotation + inside.color + inside.blur + inside.translation) / 4, 12);
    for (const [border, figures] of [
      ['inside', inside],
      ['zeros', zeros],
    ] as const) {
      for (const name of [...R2_PARAMETERS, 'mean'] as const) {
        const { low, high } = intervals[border][name];
        expect(low).toBeLessThan(figures[name]);
        expect(high).toBeGreaterThan(figures[name]);
      }
      // One bootstrap: the mean of four is steadier than the least steady of them.
      const width = (name: keyof typeof figures): number => intervals[border][name].high - intervals[border][name].low;
      expect(width('mean')).toBeLessThan(Math.max(...R2_PARAMETERS.map(width)));
    }
    expect(protocol).toContain('MLP 2D-16-16-P');
    // All that is left is what `partsOf` made: 3 sets of 3 tensors, 8 times.
    expect(memory.stats().liveTensors - before).toBe(72);
  });

  it('sets the head on g(I) alone beside both heads', async () => {
    const answers = await answersOf('rotation', 'inside', partsOf(relativePairs), options);
    const { detail } = r2ReportOf(padded(answers), '');
    const ridge = present(detail.find((row) => row.head === 'ridge'));
    expect(ridge.perDimensionMean).toBeGreaterThan(0.99);
    expect(ridge.transformedOnly).toBeLessThan(0.2);
    expect(detail.find((row) => row.head === 'mlp')?.transformedOnly).toBe(ridge.transformedOnly);
  });

  it('refuses answers about different test images', async () => {
    const some = await answersOf('rotation', 'inside', partsOf(silentPairs, {}, [40, 10, 12]), options);
    const others = await answersOf('color', 'inside', partsOf(silentPairs, {}, [40, 10, 13]), options);
    expect(() => r2ReportOf([...some, ...others], '')).toThrow(/different test images, got 13 and 12/);
  });
});

/** The same answers under every name, so that a headline can be made. */
function padded(answers: readonly R2Answer[]): R2Answer[] {
  return BORDERS.flatMap((border) =>
    R2_PARAMETERS.flatMap((parameter) => answers.map((answer) => ({ ...answer, border, parameter }))),
  );
}
