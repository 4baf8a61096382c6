import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../models/fixture.case.js';
import { centeredTargets, nextCenter } from './centering.js';
import { wave } from './wave.case.js';

describe('centering', () => {
  it('moves the centre as the closed-form golden numbers say', () => {
    torch.scope(() => {
      const next = nextCenter(torch.zeros([1, 4], { dtype: 'float64' }), wave(Math.sin, 2, 4), 0.9);
      const expected = [-0.0058726645, 0.0314940964, 0.0399053303, 0.0116277876];
      for (const [k, value] of (next.flatten().toArray() as number[]).entries()) {
        expect(value).toBeCloseTo(expected[k] ?? NaN, 9);
      }
    });
  });

  it('settles where the scores are, and stays without rows', () => {
    torch.scope(() => {
      const scores = torch.tensor([1, 2, 3, 4], { shape: [2, 2] });
      let center = torch.zeros([1, 2]);
      for (let i = 0; i < 200; i++) center = nextCenter(center, scores, 0.9);
      expectClose(center, torch.tensor([2, 3], { shape: [1, 2] }), 'the mean', 1e-6);
      expect(nextCenter(center, torch.zeros([0, 2]), 0.9)).toBe(center);
    });
  });

  it('keeps the centre in f32 for scores in half precision', () => {
    torch.scope(() => {
      expect(nextCenter(torch.zeros([1, 2]), torch.ones([3, 2], { dtype: 'bfloat16' }), 0.9).dtype).toBe('float32');
    });
  });

  it('targets are probabilities without gradient, which no constant in the centre changes', () => {
    torch.scope(() => {
      const [scores, center] = [wave(Math.sin, 3, 5).requiresGrad_(), wave(Math.cos, 1, 5)];
      const targets = centeredTargets(scores, center, 0.1);
      expect(targets.requiresGrad).toBe(false);
      expectClose(targets.sum([1]), torch.ones([3]), 'rows', 1e-12);
      expectClose(centeredTargets(scores, center.add(3), 0.1), targets, 'constant', 1e-10);
    });
  });

  it('a prototype whose centre rises loses its share, and a warmer teacher says less', () => {
    torch.scope(() => {
      const [scores, center] = [torch.zeros([1, 3]), torch.tensor([0.1, 0, 0], { shape: [1, 3] })];
      const share = (temp: number): number => centeredTargets(scores, center, temp).select(1, 0).item();
      expect(share(0.04)).toBeLessThan(share(0.07));
      expect(share(0.07)).toBeLessThan(1 / 3);
    });
  });
});
