import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { expectNoLeak } from '@halfway/torch/testing';
import { describe, expect, it } from 'vitest';
import { evalContext, expectClose, Fixture } from './fixture.case.js';
import { addBranch } from './residual.js';

const fixture = new Fixture('models/vit');
const training = (seed: number) => ({ train: true, rng: torch.generator(seed), computeDtype: 'float32' }) as const;

/** What the branch of ones adds to each of 1,000 images of one value, at rate 0.3. */
function added(form: 'image' | 'batch_subset', train = true): number[] {
  return torch.scope(() => {
    const ctx = train ? training(3) : evalContext();
    const y = addBranch(torch.zeros([1000, 1, 1]), (x) => torch.onesLike(x), { rate: 0.3, form }, ctx);
    return y.flatten().toArray() as number[];
  });
}

describe('addBranch', () => {
  it('batch_subset: drawn images, values and gradients equal those of PyTorch', () => {
    torch.scope(() => {
      const [x, w] = [fixture.leaf('subset/x'), fixture.leaf('subset/w')];
      const y = addBranch(x, (kept) => kept.mul(w).tanh(), { rate: 0.4, form: 'batch_subset' }, training(11));
      expectClose(y, fixture.get('subset/y'), 'y');
      y.mul(torch.arange(y.numel).reshape(y.shape).cos()).sum().backward();
      expectClose(x.grad, fixture.get('subset/gx'), 'x');
      expectClose(w.grad, fixture.get('subset/gw'), 'w');
    });
  });

  it('image: about 700 of 1,000 images keep the branch, over 0.7; batch_subset: 700 exactly', () => {
    const kept = (values: readonly number[]): number =>
      values.filter((value) => Math.abs(value - 1 / 0.7) < 1e-6).length;
    const left = (values: readonly number[]): number => values.filter((value) => value === 0).length;
    expect(left(added('image'))).toBe(1000 - kept(added('image')));
    expect(Math.abs(kept(added('image')) - 700)).toBeLessThan(60); // 4 standard deviations of 14.5
    expect([kept(added('batch_subset')), left(added('batch_subset'))]).toEqual([700, 300]);
  });

  it('batch_subset: the branch sees the kept images only, one at the least', () => {
    torch.scope(() => {
      const sizes: number[] = [];
      const branch = (x: Tensor): Tensor => {
        sizes.push(x.shape[0] ?? 0);
        return x;
      };
      for (const [batch, rate] of [
        [7, 0.4],
        [5, 0.5],
        [3, 0.9],
      ] as const) {
        addBranch(torch.ones([batch, 1, 1]), branch, { rate, form: 'batch_subset' }, training(0));
      }
      expect(sizes).toEqual([4, 2, 1]);
    });
  });

  it.each(['image', 'batch_subset'] as const)('%s: out of training every image has the whole branch', (form) => {
    expect(new Set(added(form, false))).toEqual(new Set([1]));
  });

  it('leaves nothing behind', () => {
    const ctx = training(0);
    expectNoLeak(() => addBranch(torch.ones([4, 2, 3]), (x) => x.exp(), { rate: 0.5, form: 'batch_subset' }, ctx));
  });
});
