import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../models/fixture.case.js';
import { sinkhorn } from './sinkhorn.js';
import { wave } from './wave.case.js';

const random = (rows: number, columns: number): Tensor =>
  torch.randn([rows, columns], { generator: torch.generator(7), dtype: 'float64' });

describe('sinkhorn', () => {
  it('equals the closed-form golden numbers', () => {
    torch.scope(() => {
      const q = sinkhorn(wave(Math.sin, 4, 5), 0.1);
      const rows = q.toArray() as number[][];
      const expected = [
        [0.5534507517, 0.446511014, 3.8229e-5, 4.5e-9, 9e-10],
        [5.40613e-5, 2.63e-8, 4.01e-8, 3.027821e-4, 0.9996430902],
      ];
      for (const [i, row] of [rows[0], rows[3]].entries()) {
        for (const [k, value] of (row ?? []).entries()) expect(value).toBeCloseTo(expected[i]?.[k] ?? NaN, 9);
      }
      const columns = [0.5535387918, 0.6085994049, 0.8389199347, 0.9488641586, 1.0500777099];
      for (const [k, sum] of (q.sum([0]).toArray() as number[]).entries())
        expect(sum).toBeCloseTo(columns[k] ?? NaN, 9);
    });
  });

  it('gives rows that sum to 1, and with more turns columns that sum to M / K', () => {
    torch.scope(() => {
      const [few, many] = [sinkhorn(random(6, 4), 0.3), sinkhorn(random(6, 4), 0.3, 200)];
      for (const q of [few, many]) expectClose(q.sum([1]), torch.ones([6]), 'rows', 1e-12);
      expectClose(many.sum([0]), torch.full([4], 1.5), 'columns', 1e-6);
      expect(few.sum([0]).sub(1.5).abs().amax().item()).toBeGreaterThan(0.01);
    });
  });

  it('does not change when a number is added to all scores, or to those of one prototype', () => {
    torch.scope(() => {
      const x = random(6, 4);
      expectClose(sinkhorn(x.add(50), 0.3), sinkhorn(x, 0.3), 'all', 1e-10);
      const favoured = torch.tensor([0, 2, 0, 0], { dtype: 'float64' });
      expectClose(sinkhorn(x.add(favoured), 0.3), sinkhorn(x, 0.3), 'one prototype', 1e-10); // what centring is for
    });
  });

  it('stays finite where no row wants a prototype, and without rows', () => {
    torch.scope(() => {
      const x = torch.tensor([9, 0, -300, 8, 0, -300], { shape: [2, 3] });
      const q = sinkhorn(x, 0.04);
      expect(q.dtype).toBe('float32');
      expect(q.isfinite().all().item()).toBe(1);
      expect(sinkhorn(torch.zeros([0, 3]), 0.04).shape).toEqual([0, 3]);
    });
  });

  it('has no gradient', () => {
    torch.scope(() => {
      expect(sinkhorn(random(3, 2).requiresGrad_(), 0.1).requiresGrad).toBe(false);
    });
  });
});
