import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { overUninformed } from './overUninformed.js';

describe('overUninformed', () => {
  it('is 1 where nothing is known, and counts the weights of the loss', () => {
    torch.scope(() => {
      const loss = torch.tensor([Math.log(9)]).sum();
      expect(overUninformed(loss, Math.log(9)).item()).toBeCloseTo(1, 6);
      expect(overUninformed(loss.mul(0.5), Math.log(9), torch.tensor([0.5]).sum()).item()).toBeCloseTo(1, 6);
      expect(overUninformed(loss.mul(0), Math.log(9), torch.zeros([])).item()).toBe(0); // nothing was masked
      expect(overUninformed(loss.requiresGrad_(), Math.log(9)).requiresGrad).toBe(false);
    });
  });
});
