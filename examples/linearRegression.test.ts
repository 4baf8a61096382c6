import { describe, expect, it } from 'vitest';
import { fitLine } from './linearRegression.js';

describe('linear regression', () => {
  it('the loss falls to the variance of the noise, and the line is the one that was drawn', () => {
    const { slope, intercept, losses } = fitLine(200);
    expect(losses[0]).toBeGreaterThan(0.5);
    expect(losses.at(-1)).toBeCloseTo(0.1 ** 2, 2);
    expect(slope).toBeCloseTo(3, 1);
    expect(intercept).toBeCloseTo(-2, 1);
  });
});
