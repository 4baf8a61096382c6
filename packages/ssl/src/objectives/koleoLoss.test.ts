import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { expectGradient, present } from '../models/fixture.case.js';
import { koleoLoss } from './koleoLoss.js';
import { wave } from './wave.case.js';

const asCode = { shiftsDifference: true };
const asPaper = { shiftsDifference: false };

describe('koleoLoss', () => {
  it('equals the closed-form golden number', () => {
    torch.scope(() => {
      expect(koleoLoss(wave(Math.sin, 4, 3), asCode).item()).toBeCloseTo(1.3145886111, 9);
    });
  });

  it('has the gradient of its differences', () => {
    torch.scope(() => {
      expectGradient(([x]) => koleoLoss(present(x), asCode), [wave(Math.sin, 6, 4)]);
      expectGradient(([x]) => koleoLoss(present(x), asPaper), [wave(Math.cos, 6, 4)]);
    });
  });

  it('sees directions only', () => {
    torch.scope(() => {
      const x = wave(Math.sin, 5, 4);
      const lengths = torch.tensor([0.1, 3, 20, 1, 7], { shape: [5, 1], dtype: 'float64' });
      expect(koleoLoss(x.mul(lengths), asCode).item()).toBeCloseTo(koleoLoss(x, asCode).item(), 10);
    });
  });

  it('falls when neighbours part', () => {
    torch.scope(() => {
      const axes = torch.eye(4, { dtype: 'float64' }); // all at distance sqrt(2)
      expect(koleoLoss(axes, asPaper).item()).toBeCloseTo(-Math.log(Math.SQRT2), 7);
      expect(koleoLoss(axes.add(0.3), asPaper).item()).toBeGreaterThan(koleoLoss(axes, asPaper).item());
    });
  });

  it('of equal rows is bounded by the epsilon, which the code behind DINOv2 counts twice', () => {
    torch.scope(() => {
      const equal = torch.ones([3, 4], { dtype: 'float64' });
      expect(koleoLoss(equal, asPaper).item()).toBeCloseTo(-Math.log(1e-8), 9);
      expect(koleoLoss(equal, asCode).item()).toBeCloseTo(-Math.log(1e-8 * (Math.sqrt(4) + 1)), 9);
    });
  });

  it('computes in f32 whatever comes, and names a batch of one', () => {
    torch.scope(() => {
      expect(koleoLoss(wave(Math.sin, 4, 3).to('bfloat16'), asCode).dtype).toBe('float32');
      expect(() => koleoLoss(wave(Math.sin, 1, 3), asCode)).toThrow(
        'koleoLoss: must have [B, D] with B at least 2, since a row needs a neighbour, got [1, 3]; give two images or more',
      );
    });
  });
});
