import { scope, tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { fixture, largestDifference, transformConfig } from './fixture.case.js';
import { se2 } from './se2.js';
import { largestShiftPx } from './translation.js';

describe('se2', () => {
  it('geodesic: at(theta, s) is exp(s log g), also for turns near 0 and beyond 90 degrees', () => {
    scope(() => {
      const g = se2(transformConfig({ se2Path: 'geodesic' }), 13);
      const theta = fixture.get('geodesic/3');
      for (const third of [0, 1, 2, 3]) {
        expect(largestDifference(g.at(theta, third / 3), fixture.get(`geodesic/${third}`))).toBeLessThan(1e-5);
      }
    });
  });

  it('linear: every component in proportion', () => {
    scope(() => {
      const half = se2(transformConfig(), 13).at(tensor([[0.6, 2, -4]]), 0.5);
      expect(largestDifference(half, tensor([[0.3, 1, -2]]))).toBeLessThan(1e-6);
    });
  });

  it('asks for room for a shift that turns along the geodesic', () => {
    const canvas = (se2Path: 'linear' | 'geodesic'): number =>
      se2(transformConfig({ se2Path, translateUnit: 'px' }), 32).canvasPx(32);
    expect(canvas('geodesic')).toBeGreaterThan(canvas('linear'));
  });
});

describe('largestShiftPx', () => {
  it('reads pixels at 224, pixels, or percent of the side', () => {
    const shift = (translateUnit: 'px224' | 'px' | 'percent'): number =>
      largestShiftPx({ translatePx: 10, translateUnit }, 112);
    expect([shift('px224'), shift('px'), shift('percent')]).toEqual([5, 10, 11.200000000000001]);
  });
});
