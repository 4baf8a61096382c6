import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { expectClose, expectGradient, Fixture } from '../models/fixture.case.js';
import { errorByMask, reconstructionLoss, uninformedError } from './reconstructionLoss.js';
import { fromTargetSpace, toTargetSpace } from './targetSpace.js';

const fixture = new Fixture('reconstruct');
const SPACES = ['normalized', 'rgb01', 'patch_norm'] as const;
const PATCH_PX = 3;

describe('reconstructionLoss', () => {
  const images = (kind: string): Tensor[] => [0, 1].map((k) => fixture.get(`${kind}/${k}`));

  it.each(SPACES)('%s targets equal an independent reference, and go back to RGB', (space) => {
    torch.scope(() => {
      for (const [k, rgb] of images('rgb').entries()) {
        const target = toTargetSpace(rgb, space, PATCH_PX);
        expectClose(target, fixture.get(`target/${space}/${k}`), `target ${k}`);
        expectClose(fromTargetSpace(target, rgb, space, PATCH_PX), rgb, `back ${k}`);
      }
    });
  });

  it.each(
    SPACES.flatMap((space) =>
      (['mean', 'sum_pixels'] as const).flatMap((reduction) =>
        (['all', 'valid'] as const).map((region) => [space, reduction, region] as const),
      ),
    ),
  )('%s, %s, %s pixels: value and gradients equal an independent reference', (space, reduction, region) => {
    torch.scope(() => {
      const key = `${space}/${reduction}/${region}`;
      const decoded = [0, 1].map((k) => fixture.leaf(`decoded/${k}`));
      const targets = images('rgb').map((rgb) => toTargetSpace(rgb, space, PATCH_PX));
      const loss = reconstructionLoss(decoded, targets, {
        reduction,
        ...(region === 'valid' && { valid: images('mask') }),
      });
      expectClose(loss, fixture.get(`${key}/loss`), 'loss');
      loss.backward();
      for (const [k, leaf] of decoded.entries()) expectClose(leaf.grad, fixture.get(`${key}/g${k}`), `gradient ${k}`);
    });
  });

  it.each(['mean', 'sum_pixels'] as const)('%s: gradients equal finite differences, masked or not', (reduction) => {
    torch.scope(() => {
      const doubles = (kind: string): Tensor[] => images(kind).map((image) => image.to('float64'));
      const [decoded, targets, valid] = [doubles('decoded'), doubles('rgb'), doubles('mask')];
      expectGradient((inputs) => reconstructionLoss(inputs, targets, { reduction }), decoded);
      expectGradient((inputs) => reconstructionLoss(inputs, targets, { reduction, valid }), decoded);
    });
  });

  it('says that every decoded image needs a target of its shape, and a mask where there are any', () => {
    torch.scope(() => {
      const [decoded, targets, valid] = [images('decoded'), images('rgb'), images('mask')];
      const loss = (...[d, t, v]: [Tensor[], Tensor[], Tensor[]?]): Tensor =>
        reconstructionLoss(d, t, { reduction: 'mean', ...(v && { valid: v }) });
      expect(() => loss([], [])).toThrow('got none for none');
      expect(() => loss(decoded, targets.slice(1))).toThrow(/a target of the same shape.* got .* for /);
      expect(() =>
        loss(
          decoded,
          [0, 1].map(() => torch.zeros([1])),
        ),
      ).toThrow('for [1] [1]');
      expect(() => loss(decoded, targets, valid.slice(1))).toThrow('and 1 masks');
    });
  });

  it('is 0, not NaN, when no pixel is valid', () => {
    torch.scope(() => {
      const valid = images('mask').map((mask) => mask.mul(0));
      expect(reconstructionLoss(images('decoded'), images('rgb'), { reduction: 'mean', valid }).item()).toBe(0);
    });
  });
});

describe('uninformedError', () => {
  it('is the variance of all values inside the photo, which no single grey can beat', () => {
    torch.scope(() => {
      const generator = torch.generator(0);
      const wanted = [0, 1].map((k) =>
        torch
          .randn([2, 3, 4, 4], { generator })
          .mul(k + 1)
          .add(k),
      );
      const meanOf = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = wanted.map((image) => {
        const values = [...(image.toTypedArray() as Float32Array)];
        return meanOf(values.map((value) => (value - meanOf(values)) ** 2));
      });
      expect(uninformedError(wanted, undefined).item()).toBeCloseTo(((variance[0] ?? 0) + (variance[1] ?? 0)) / 2, 5);

      // Outside the left half is what nobody asks.
      const left = torch.tensor([1, 1, 0, 0]).expand([2, 1, 4, 4]);
      const halves = wanted.map((image) => image.narrow(3, 0, 2));
      const spoilt = wanted.map((image) => image.add(left.neg().add(1).mul(9)));
      const inside = uninformedError(spoilt, [left, left]);
      expect(inside.item()).toBeCloseTo(uninformedError(halves, undefined).item(), 5);
      expect(uninformedError(wanted, [left.mul(0), left.mul(0)]).item()).toBe(0); // not NaN
    });
  });
});

describe('errorByMask', () => {
  it('is the error of hidden patches and of seen ones, each by itself', () => {
    torch.scope(() => {
      // Two photos of 2 x 2 patches of 2 px: patch p of photo b is wrong by b + p / 10 in every channel.
      const errors = torch.tensor([0, 0.1, 0.2, 0.3, 1, 1.1, 1.2, 1.3], { shape: [2, 1, 2, 2] });
      const decoded = [errors.upsampleNearest2d([4, 4]).expand([2, 3, 4, 4])];
      const hidden = torch.tensor([0, 1, 0, 0, 0, 0, 0, 1], { shape: [2, 4] }).gt(0);
      const { reconMasked, reconUnmasked } = errorByMask(decoded, [torch.zeros([2, 3, 4, 4])], hidden);
      expect(reconMasked.item()).toBeCloseTo((0.1 ** 2 + 1.3 ** 2) / 2, 6);
      expect(reconUnmasked.item()).toBeCloseTo((0.2 ** 2 + 0.3 ** 2 + 1 + 1.1 ** 2 + 1.2 ** 2) / 6, 6);
      expect(errorByMask(decoded, decoded, hidden.logicalNot().logicalAnd(hidden)).reconMasked.item()).toBe(0);
    });
  });
});
