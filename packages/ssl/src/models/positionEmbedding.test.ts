import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { expectClose, Fixture, relativeError } from './fixture.case.js';
import { resizePositions } from './positionEmbedding.js';

const fixture = new Fixture('models/vit');

describe('resizePositions', () => {
  it.each([
    ['size', 7],
    ['size', 3],
    ['offset', 7],
    ['offset', 3],
  ] as const)('%s, 4 x 4 to %i a side: values and gradient equal those of interpolate', (mode, grid) => {
    torch.scope(() => {
      const x = fixture.leaf('positions/x');
      const y = resizePositions(x, grid, mode);
      expectClose(y, fixture.get(`positions/${mode}_${grid}/y`), 'y');
      y.mul(torch.arange(y.numel).reshape(y.shape).cos()).sum().backward();
      expectClose(x.grad, fixture.get(`positions/${mode}_${grid}/g`), 'gradient');
    });
  });

  it('the added 0.1 shifts what is read: the same plane resized to the exact size differs', () => {
    torch.scope(() => {
      const x = fixture.get('positions/x');
      // Larger grids are not antialiased in either mode.
      expect(relativeError(resizePositions(x, 7, 'offset'), resizePositions(x, 7, 'size'))).toBeGreaterThan(0.01);
    });
  });

  it('is the stored tensor for its own grid', () => {
    torch.scope(() => {
      const x = fixture.get('positions/x');
      for (const mode of ['size', 'offset'] as const) expect(resizePositions(x, 4, mode)).toBe(x);
    });
  });
});
