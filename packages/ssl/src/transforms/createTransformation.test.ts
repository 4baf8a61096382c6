import { cat, scope, type Tensor, tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { createTransformation } from './createTransformation.js';
import {
  everyTransformation,
  expectImageGradient,
  largestDifference,
  mildImages,
  transformConfig,
} from './fixture.case.js';
import { uniformStream } from './philox.js';
import type { Transformation } from './transformation.js';

const SIZE_PX = 12;
const thetas = (g: Transformation, count: number): Tensor => {
  const rows = Array.from({ length: count }, (_, index) => [...g.sample(uniformStream(3, 0, index, 1, 'theta'))]);
  return tensor(rows.flat(), { shape: [count, g.parameters.length] });
};

const all = createTransformation('all', transformConfig({ translateUnit: 'px', translatePx: 2.5 }), SIZE_PX);

describe.each([...everyTransformation(SIZE_PX), ['all', all] as const])('%s', (_, g) => {
  it('starts at the identity and ends at theta', () => {
    scope(() => {
      const [images, theta] = [mildImages(4, SIZE_PX), thetas(g, 4)];
      expect(largestDifference(g.apply(images, g.at(theta, 0), 'zeros'), images)).toBeLessThan(1e-5);
      expect(largestDifference(g.at(theta, 1), theta)).toBeLessThan(1e-6);
      expect(largestDifference(g.apply(images, theta, 'zeros'), images)).toBeGreaterThan(0.02);
      const zero = theta.mul(0);
      expect(largestDifference(g.apply(images, g.at(zero, 0.5), 'zeros'), images)).toBeLessThan(1e-5);
    });
  });

  it('changes each image of a batch as it would alone', () => {
    scope(() => {
      const [images, theta] = [mildImages(5, SIZE_PX), thetas(g, 5)];
      for (const fill of ['zeros', 'mean', 'reflect'] as const) {
        const alone = Array.from({ length: 5 }, (_, i) => g.apply(images.narrow(0, i, 1), theta.narrow(0, i, 1), fill));
        expect(largestDifference(g.apply(images, theta, fill), cat(alone))).toBeLessThan(5e-6);
      }
    });
  });

  it('outputPx is the central part', () => {
    scope(() => {
      const [images, theta] = [mildImages(2, SIZE_PX), thetas(g, 2)];
      const whole = g.apply(images, theta, 'zeros');
      expect(largestDifference(g.apply(images, theta, 'zeros', 6), whole.narrow(2, 3, 6).narrow(3, 3, 6))).toBeLessThan(
        1e-5,
      );
    });
  });

  it('gradient in images and theta equals finite differences', () => {
    scope(() => {
      expectImageGradient((images, theta) => g.apply(images, theta, 'zeros'), mildImages(2, 7), thetas(g, 2));
    });
  });

  it('draws every parameter over its whole range, or 0 where g is not applied', () => {
    const specs = g.parameters;
    const rows = Array.from({ length: 2000 }, (_, index) => [...g.sample(uniformStream(0, 0, index, 1, 'theta'))]);
    specs.forEach(({ min, max }, p) => {
      const values = rows.map((row) => row[p] ?? Number.NaN);
      expect(Math.min(...values) - min).toBeGreaterThanOrEqual(-1e-6);
      expect(max - Math.max(...values)).toBeGreaterThanOrEqual(-1e-6);
      expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(0.98 * (max - min));
    });
  });
});

describe('createTransformation', () => {
  it('makes the transformation of that name, with ranges in its own units', () => {
    const ranges = (name: Transformation['name']): [string, number, number][] =>
      createTransformation(name, transformConfig(), 112).parameters.map((p) => [p.unit, p.min, p.max]);
    expect(ranges('rotation')).toEqual([['rad', -Math.PI / 4, Math.PI / 4]]);
    expect(ranges('translation')).toEqual([
      ['px', -5, 5],
      ['px', -5, 5],
    ]);
    expect(ranges('se2')).toEqual([
      ['rad', -Math.PI / 4, Math.PI / 4],
      ['px', -5, 5],
      ['px', -5, 5],
    ]);
    expect(ranges('color')).toEqual([
      ['factor', -0.4, 0.4],
      ['factor', -0.4, 0.4],
      ['factor', -0.1, 0.1],
      ['turn', -0.1, 0.1],
    ]);
    expect(ranges('blur')).toEqual([['px', 0.1, 2]]);
    for (const name of ['rotation', 'translation', 'se2', 'color', 'blur', 'all'] as const) {
      expect(createTransformation(name, transformConfig(), 112).name).toBe(name);
    }
  });

  it('prob is the share of images that are transformed, and moves no other draw', () => {
    const [sometimes, always] = [0.3, 1].map((prob) => createTransformation('rotation', transformConfig({ prob }), 8));
    const sample = (g: Transformation | undefined, index: number): number =>
      g?.sample(uniformStream(0, 0, index, 1, 'theta'))[0] ?? Number.NaN;
    const indices = Array.from({ length: 1000 }, (_, index) => index);
    const drawn = indices.map((index) => sample(sometimes, index));
    const share = drawn.filter((angle) => angle !== 0).length / drawn.length;
    expect(Math.abs(share - 0.3)).toBeLessThan(0.06);
    drawn.forEach((angle, index) => expect(angle === 0 || angle === sample(always, index)).toBe(true));
  });
});
