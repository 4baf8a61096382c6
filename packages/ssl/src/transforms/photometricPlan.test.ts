import { describe, expect, it } from 'vitest';
import { augmentConfig } from './fixture.case.js';
import { uniformStream } from './philox.js';
import { globalOdds, type PhotometricPlan, planPhotometric } from './photometricPlan.js';

const COUNT = 2000;
const plansOf = (changes: Parameters<typeof augmentConfig>[0], view: 0 | 1 = 0, sizePx = 224): PhotometricPlan[] => {
  const augment = augmentConfig(changes);
  return Array.from({ length: COUNT }, (_, index) =>
    planPhotometric(uniformStream(1, 0, index, view, 'photometric'), augment, globalOdds(augment, view), sizePx),
  );
};
const share = (plans: readonly PhotometricPlan[], has: (plan: PhotometricPlan) => boolean): number =>
  plans.filter(has).length / plans.length;
// Four standard errors of a share of 0.5.
const SLACK = (4 * 0.5) / Math.sqrt(COUNT);

describe('planPhotometric', () => {
  it('follows the probabilities of each view', () => {
    const [first, second] = [plansOf({}, 0), plansOf({}, 1)];
    const expected = [
      [share(first, (p) => p.isFlipped), 0.5],
      [share(first, (p) => p.jitter !== undefined), 0.8],
      [share(first, (p) => p.isGray), 0.2],
      [share(first, (p) => p.blur !== undefined), (2 - 0.24) / (2 - 0.1)], // of sigmas from 0.1 to 2 those from 0.24 on
      [share(second, (p) => p.blur !== undefined), (0.1 * (2 - 0.24)) / (2 - 0.1)],
      [share(second, (p) => p.isSolarized), 0.2],
    ] as const;
    for (const [actual, wanted] of expected) expect(Math.abs(actual - wanted)).toBeLessThan(SLACK);
    expect(share(first, (p) => p.isSolarized)).toBe(0);
  });

  it('draws amounts over their ranges and every order of the operations equally often', () => {
    const jitters = plansOf({ jitterProb: 1 }).flatMap(({ jitter }) => (jitter ? [jitter] : []));
    const ranges = { brightness: [0.6, 1.4], contrast: [0.6, 1.4], saturation: [0.8, 1.2], hue: [-0.1, 0.1] } as const;
    for (const op of ['brightness', 'contrast', 'saturation', 'hue'] as const) {
      const amounts = jitters.map(({ amount }) => amount[op]);
      const [low, high] = ranges[op];
      expect(Math.min(...amounts)).toBeGreaterThanOrEqual(low);
      expect(Math.max(...amounts)).toBeLessThanOrEqual(high);
      expect(Math.max(...amounts) - Math.min(...amounts)).toBeGreaterThan(0.99 * (high - low));
    }
    const orders = new Map<string, number>();
    for (const { order } of jitters) orders.set(order.join(), (orders.get(order.join()) ?? 0) + 1);
    expect(orders.size).toBe(24);
    const expectedCount = COUNT / 24;
    for (const count of orders.values())
      expect(Math.abs(count - expectedCount)).toBeLessThan(5 * Math.sqrt(expectedCount));
  });

  it("ends the kernel of the blur where it is told: DINOv2's of 9 pixels, scaled like sigma", () => {
    const radii = [224, 112, 32].map((modelPx) => {
      const plans = plansOf({ blurKernelPx: 9 }, 0, modelPx);
      return [...new Set(plans.flatMap(({ blur }) => (blur ? [blur.radiusPx] : [])))];
    });
    expect(radii).toEqual([[4], [2], [1]]);
  });

  it('scales the blur to the views of the model, with the radius of the largest sigma, and leaves out what nobody can see', () => {
    for (const [sizePx, radiusPx] of [
      [224, 6],
      [64, 2],
      [32, 1],
    ] as const) {
      const blurs = plansOf({}, 0, sizePx).flatMap(({ blur }) => (blur ? [blur] : []));
      const sigmas = blurs.map(({ sigmaPx }) => sigmaPx);
      expect(Math.min(...sigmas)).toBeGreaterThanOrEqual(0.24);
      expect(Math.min(...sigmas)).toBeLessThan(0.25);
      expect((Math.max(...sigmas) * 224) / sizePx).toBeGreaterThan(1.98);
      expect((Math.max(...sigmas) * 224) / sizePx).toBeLessThanOrEqual(2);
      expect(new Set(blurs.map((blur) => blur.radiusPx))).toEqual(new Set([radiusPx]));
    }
  });

  it('rot flips only, none changes nothing', () => {
    const kinds = (preset: 'rot' | 'none'): Set<string> =>
      new Set(plansOf({ preset }).map((plan) => JSON.stringify(plan)));
    const plan = (isFlipped: boolean): string => JSON.stringify({ isFlipped, isGray: false, isSolarized: false });
    expect(kinds('rot')).toEqual(new Set([plan(true), plan(false)]));
    expect(kinds('none')).toEqual(new Set([plan(false)]));
  });

  it('takes as many draws whatever it draws, so that one probability moves no other draw', () => {
    const counts = new Set<number>();
    const follow = (changes: Parameters<typeof augmentConfig>[0], index: number): number => {
      const draw = uniformStream(1, 0, index, 0, 'photometric');
      let count = 0;
      const augment = augmentConfig(changes);
      planPhotometric(() => ((count += 1), draw()), augment, globalOdds(augment, 0), 32);
      return count;
    };
    for (let index = 0; index < 20; index++) {
      for (const changes of [{}, { preset: 'rot' }, { preset: 'none' }, { jitterProb: 0 }] as const) {
        counts.add(follow(changes, index));
      }
    }
    expect([...counts]).toEqual([13]);
    const [less, more] = [plansOf({ grayProb: 0.1 }), plansOf({ grayProb: 0.9 })];
    expect(less.map((p) => ({ ...p, isGray: true }))).toEqual(more.map((p) => ({ ...p, isGray: true })));
  });

  it('leaves out operations without a range', () => {
    const orders = plansOf({ jitterProb: 1, hue: 0, contrast: 0 }).map(({ jitter }) => jitter?.order ?? []);
    expect(new Set(orders.flat())).toEqual(new Set(['brightness', 'saturation']));
    const none = plansOf({ jitterProb: 1, brightness: 0, contrast: 0, saturation: 0, hue: 0 });
    expect(share(none, ({ jitter }) => jitter === undefined)).toBe(1);
  });
});
