import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { expectClose, expectGradient, Fixture } from '../models/fixture.case.js';
import { pairOf } from '../pairs.js';
import { ntXentLoss } from './ntXent.js';
import { wave } from './wave.case.js';

const fixture = new Fixture('objectives/simclr');

describe('ntXentLoss', () => {
  it('equals the closed-form golden number', () => {
    torch.scope(() => {
      expect(ntXentLoss(wave(Math.sin, 3, 4), wave(Math.cos, 3, 4), 0.1).item()).toBeCloseTo(8.7218591886, 9);
    });
  });

  it.each([
    ['cold', 0.1],
    ['warm', 0.5],
  ])('%s: value and gradients equal an independent reference', (name, temperature) => {
    torch.scope(() => {
      const [x, y] = [fixture.leaf(`${name}/x`), fixture.leaf(`${name}/y`)];
      const loss = ntXentLoss(x, y, temperature);
      expectClose(loss, fixture.get(`${name}/loss`), 'loss');
      loss.backward();
      expectClose(x.grad, fixture.get(`${name}/gx`), 'gradient of x');
      expectClose(y.grad, fixture.get(`${name}/gy`), 'gradient of y');
    });
  });

  it('gradients equal finite differences', () => {
    torch.scope(() => {
      const inputs = [wave(Math.sin, 5, 4), wave(Math.cos, 5, 4)];
      expectGradient((pair) => ntXentLoss(...pairOf(pair), 0.3), inputs);
    });
  });

  it('is unchanged by the order of the pairs, the order of the views and the length of an embedding', () => {
    torch.scope(() => {
      const [x, y] = [wave(Math.sin, 6, 4), wave(Math.cos, 6, 4)];
      const loss = ntXentLoss(x, y, 0.2).item();
      const order = torch.tensor(new BigInt64Array([3n, 1n, 5n, 0n, 2n, 4n]));
      const shuffled = (z: Tensor): Tensor => z.indexSelect(0, order);
      expect(ntXentLoss(shuffled(x), shuffled(y), 0.2).item()).toBeCloseTo(loss, 12);
      expect(ntXentLoss(y, x, 0.2).item()).toBeCloseTo(loss, 12);
      expect(ntXentLoss(x.mul(3), y.mul(0.1), 0.2).item()).toBeCloseTo(loss, 12);
      expect(ntXentLoss(shuffled(x), y, 0.2).item()).toBeGreaterThan(loss); // but not by who is paired with whom
    });
  });

  it('is ln(2B - 1) when embeddings tell nothing, and near 0 when pairs stand alone', () => {
    torch.scope(() => {
      const same = torch.ones([5, 3]);
      expect(ntXentLoss(same, same, 0.1).item()).toBeCloseTo(Math.log(9), 5);
      expect(ntXentLoss(torch.eye(5), torch.eye(5), 0.05).item()).toBeLessThan(1e-6);
    });
  });

  it('has a finite gradient at an embedding of zeros', () => {
    torch.scope(() => {
      const x = torch.zeros([2, 3]).requiresGrad_();
      ntXentLoss(x, torch.eye(2, 3), 0.1).backward();
      expect((x.grad?.toArray() as number[][]).flat().every(Number.isFinite)).toBe(true);
    });
  });

  it('names shapes that do not fit', () => {
    torch.scope(() => {
      const loss = (x: number[], y: number[]) => (): Tensor => ntXentLoss(torch.ones(x), torch.ones(y), 0.1);
      const rule = 'ntXentLoss: must have two tensors [B, E] of one shape with B at least 2, got ';
      expect(loss([4, 3], [4, 2])).toThrow(`${rule}[4, 3] and [4, 2]`);
      expect(loss([1, 3], [1, 3])).toThrow(`${rule}[1, 3] and [1, 3]`);
      expect(loss([4], [4])).toThrow(`${rule}[4] and [4]`);
    });
  });
});
