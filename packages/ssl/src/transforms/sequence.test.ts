import { scope, tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { createTransformation } from './createTransformation.js';
import { largestDifference, mildImages, transformConfig } from './fixture.case.js';
import { scaledTheta } from './scaledTheta.js';

const SIZE_PX = 12;
const create = (name: Parameters<typeof createTransformation>[0]): ReturnType<typeof createTransformation> =>
  createTransformation(name, transformConfig({ translateUnit: 'px', translatePx: 2.5 }), SIZE_PX);

describe('all', () => {
  it('is colour, then blur, then the rigid motion, with their parameters in that order', () => {
    scope(() => {
      const [all, color, blur, se2] = [create('all'), create('color'), create('blur'), create('se2')];
      const named = [color, blur, se2].flatMap(({ parameters }) => parameters.map(({ name }) => name));
      expect(all.parameters.map(({ name }) => name)).toEqual(named);
      const images = mildImages(2, SIZE_PX);
      const theta = tensor([0.3, -0.2, 0.1, 0.05, 0.9, 0.5, 2, -1, -0.3, 0.2, -0.1, 0.02, 1.7, -0.6, -2, 1], {
        shape: [2, 8],
      });
      const [c, b, s] = [theta.narrow(1, 0, 4), theta.narrow(1, 4, 1), theta.narrow(1, 5, 3)];
      const expected = se2.apply(blur.apply(color.apply(images, c, 'zeros'), b, 'zeros'), s, 'zeros');
      expect(largestDifference(all.apply(images, theta, 'zeros'), expected)).toBe(0);
      const otherOrder = color.apply(blur.apply(se2.apply(images, s, 'zeros'), b, 'zeros'), c, 'zeros');
      expect(largestDifference(all.apply(images, theta, 'zeros'), otherOrder)).toBeGreaterThan(0.02);
    });
  });

  it('needs the canvas of its largest part', () => {
    expect(create('all').canvasPx(SIZE_PX)).toBe(create('se2').canvasPx(SIZE_PX));
  });
});

describe('scaledTheta', () => {
  it('is each parameter over the largest magnitude of its range, 0 at the identity', () => {
    scope(() => {
      const { parameters } = create('all');
      const largest = parameters.map(({ max }) => max);
      const theta = tensor([...largest, ...largest.map((max) => -max / 2), ...largest.map(() => 0)], { shape: [3, 8] });
      const rows = scaledTheta(theta, parameters).toArray() as number[][];
      [1, -0.5, 0].forEach((value, row) => rows[row]?.forEach((scaled) => expect(scaled).toBeCloseTo(value, 6)));
      expect(parameters[4]).toMatchObject({ name: 'sigma', min: 0.1, max: 2 }); // not symmetric, and still 0 at 0
    });
  });

  it('of a range of nothing but 0 is 0', () => {
    scope(() => {
      const specs = [{ name: 'hue', unit: 'turn', min: 0, max: 0 }] as const;
      expect(scaledTheta(tensor([0, 0], { shape: [2, 1] }), specs).toArray()).toEqual([[0], [0]]);
    });
  });
});
