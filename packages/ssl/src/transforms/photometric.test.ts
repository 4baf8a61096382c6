import { cat, memory, scope, type Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { present } from '../models/fixture.case.js';
import { augmentConfig, fixture, largestDifference, mildImages } from './fixture.case.js';
import { uniformStream } from './philox.js';
import { applyPhotometric } from './photometric.js';
import { globalOdds, type JitterOp, type PhotometricPlan, planPhotometric } from './photometricPlan.js';

const OPS: readonly JitterOp[] = ['brightness', 'contrast', 'saturation', 'hue'];

/** Entry [row, column] of a key of the augmentation's case. */
function entry(key: string, row: number, column = 0): number {
  const { shape } = fixture.get(`augment/${key}`);
  return Number(present(fixture.get(`augment/${key}`).toTypedArray()[row * (shape[1] ?? 1) + column]));
}

/** The plans of fixtures/transforms.py: kernel 5 is radius 2. */
function goldenPlans(count: number): PhotometricPlan[] {
  return Array.from({ length: count }, (_, i) => {
    const [brightness, contrast, saturation, hue] = [0, 1, 2, 3].map((op) => entry('amount', i, op)) as Four;
    const jitter = {
      order: [0, 1, 2, 3].map((slot) => present(OPS[Math.max(0, entry('order', i, slot))])),
      amount: { brightness, contrast, saturation, hue },
    };
    const sigmaPx = entry('sigma', i);
    return {
      isFlipped: entry('flip', i) === 1,
      ...(entry('order', i) >= 0 && { jitter }),
      isGray: entry('gray', i) === 1,
      ...(sigmaPx > 0 && { blur: { sigmaPx, radiusPx: 2 } }),
      isSolarized: entry('solarize', i) === 1,
    };
  });
}

type Four = [number, number, number, number];

const AUGMENT = augmentConfig({ blurProb: [1, 0.5] });
const randomPlans = (count: number, sizePx: number, view: 0 | 1 = 1): PhotometricPlan[] =>
  Array.from({ length: count }, (_, index) =>
    planPhotometric(uniformStream(0, 0, index, view, 'test'), AUGMENT, globalOdds(AUGMENT, view), sizePx),
  );

const oneByOne = (images: Tensor, plans: readonly PhotometricPlan[]): Tensor =>
  cat(plans.map((plan, i) => applyPhotometric(images.narrow(0, i, 1), [plan])));

describe('applyPhotometric', () => {
  it("equals torchvision's operations in each plan's own order", () => {
    scope(() => {
      const changed = applyPhotometric(fixture.get('augment/images'), goldenPlans(12));
      expect(largestDifference(changed, fixture.get('augment/out'))).toBeLessThan(5e-6);
    });
  });

  it('gives each image what it would get alone', () => {
    scope(() => {
      const images = mildImages(24, 9);
      const plans = randomPlans(24, 224);
      expect(new Set(plans.map(({ jitter }) => jitter?.order.join())).size).toBeGreaterThan(8);
      expect(largestDifference(applyPhotometric(images, plans), oneByOne(images, plans))).toBeLessThan(1e-6);
    });
  });

  it('gives the same in several parts', () => {
    scope(() => {
      const images = mildImages(3, 300); // as many parts
      const plans = randomPlans(3, 224);
      expect(largestDifference(applyPhotometric(images, plans), oneByOne(images, plans))).toBeLessThan(1e-6);
    });
  });

  it('leaves images with nothing planned as they are, and stays in [0, 1]', () => {
    scope(() => {
      const images = fixture.get('images');
      const nothing = { isFlipped: false, isGray: false, isSolarized: false };
      expect(largestDifference(applyPhotometric(images, Array(4).fill(nothing)), images)).toBe(0);
      expect(
        largestDifference(
          applyPhotometric(images, Array(4).fill({ ...nothing, isFlipped: true })),
          fixture.get('flip/out'),
        ),
      ).toBe(0);
      const many = mildImages(32, 12).sub(0.2).div(0.6);
      const changed = applyPhotometric(many, randomPlans(32, 224));
      expect(changed.amin().item()).toBeGreaterThanOrEqual(0);
      expect(changed.amax().item()).toBeLessThanOrEqual(1);
    });
  });

  it('changes neither its input nor the number of live tensors, but for the result', () => {
    scope(() => {
      const images = mildImages(16, 8);
      const copy = images.clone();
      const plans = randomPlans(16, 224);
      const before = memory.stats().liveTensors;
      applyPhotometric(images, plans);
      expect(memory.stats().liveTensors - before).toBe(1);
      expect(largestDifference(images, copy)).toBe(0);
    });
  });

  it('wants one plan per image', () => {
    scope(() => {
      expect(() => applyPhotometric(mildImages(2, 4), [])).toThrow(
        'applyPhotometric: there must be one plan per image, got 0 plans for images [2, 3, 4, 4]',
      );
    });
  });
});
