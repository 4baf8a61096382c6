import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { effectiveRank, featureStd } from './health.js';

describe('featureStd', () => {
  it('is 0 when all images have one direction, whatever their length', () => {
    torch.scope(() => {
      const row = torch.tensor([1, 2, -1, 0.5]);
      expect(featureStd(torch.stack([row, row.mul(3), row.mul(7)], 0)).item()).toBeCloseTo(0, 6);
    });
  });

  it('is about 1 for directions that fill the sphere, in either dtype', () => {
    torch.scope(() => {
      const x = torch.randn([4000, 16], { generator: torch.generator(0) });
      expect(featureStd(x).item()).toBeCloseTo(1, 2);
      expect(featureStd(x.to('bfloat16')).item()).toBeCloseTo(1, 2);
    });
  });

  it('equals its formula on two points', () => {
    torch.scope(() => {
      // Unit rows (1, 0) and (0, 1): each column has the unbiased std sqrt(1/2); times sqrt(2) is 1.
      expect(featureStd(torch.tensor([2, 0, 0, 5], { shape: [2, 2] })).item()).toBeCloseTo(1, 6);
    });
  });
});

describe('effectiveRank', () => {
  it('counts equal singular values', () => {
    torch.scope(() => {
      const rows = [1, 0, 0, -1, 0, 0, 0, 1, 0, 0, -1, 0, 0, 0, 0];
      expect(effectiveRank(torch.tensor(rows, { shape: [5, 3] })).item()).toBeCloseTo(2, 5);
    });
  });

  it('is exp of the entropy of the singular values', () => {
    torch.scope(() => {
      const entropy = -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25));
      const rows = [3, 0, -3, 0, 0, 1, 0, -1];
      expect(effectiveRank(torch.tensor(rows, { shape: [4, 2] })).item()).toBeCloseTo(Math.exp(entropy), 5);
    });
  });

  it('ignores the mean, and is 0 for equal rows', () => {
    torch.scope(() => {
      const x = torch.randn([10, 4], { generator: torch.generator(0) });
      expect(effectiveRank(x.add(100)).item()).toBeCloseTo(effectiveRank(x).item(), 2);
      expect(effectiveRank(torch.ones([6, 3])).item()).toBe(0);
    });
  });
});
