import { scope, tensor, zeros } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { blur } from './blur.js';
import { expectImageGradient, fixture, largestDifference, mildImages, transformConfig } from './fixture.case.js';
import { blurRadiusPx, gaussianBlur } from './gaussianBlur.js';

describe('gaussianBlur', () => {
  it("with radius 4 equals torchvision's gaussian_blur of kernel 9, a sigma per image", () => {
    scope(() => {
      const blurred = gaussianBlur(fixture.get('images'), fixture.get('blur/sigma'), 4);
      expect(largestDifference(blurred, fixture.get('blur/out'))).toBeLessThan(1e-6);
    });
  });

  // Taps of sigma 1 over 9 pixels: exp(-x^2 / 2) for x = -4..4, over their sum; in float64 by numpy.
  it('spreads a point by the golden taps', () => {
    scope(() => {
      const point = zeros([1, 1, 1, 17]);
      point.select(3, 8).fill_(1);
      const row = [
        ...gaussianBlur(point.expand([1, 1, 9, 17]), tensor([1]), 4)
          .select(2, 4)
          .toTypedArray(),
      ].map(Number);
      const golden = [0.0001338306, 0.0044318616, 0.0539911274, 0.2419714457, 0.3989434694];
      golden.forEach((tap, i) => expect(row[4 + i]).toBeCloseTo(tap, 6));
      expect(row[12]).toBe(row[4]);
      expect(row[13]).toBe(0);
    });
  });

  it('below 0.01 px leaves the image as it is', () => {
    scope(() => {
      const images = fixture.get('images');
      expect(largestDifference(gaussianBlur(images, tensor([0, 0.001, 0.0099, 0]), 3), images)).toBe(0);
    });
  });

  it('uses a radius that fits a tiny image', () => {
    scope(() => {
      const images = mildImages(1, 2);
      expect(gaussianBlur(images, tensor([2]), 6).shape).toEqual([1, 3, 2, 2]);
    });
  });

  it('gradient in images and sigma equals finite differences', () => {
    scope(() => {
      expectImageGradient((images, sigma) => gaussianBlur(images, sigma, 4), mildImages(2, 6), tensor([0.6, 1.3]));
    });
  });
});

describe('blur', () => {
  it('has the radius of three of the largest sigma', () => {
    expect([0.05, 1, 2, 2.1].map(blurRadiusPx)).toEqual([1, 3, 6, 7]);
  });

  it('goes from 0, or from the least sigma; an image that g leaves alone stays at 0', () => {
    scope(() => {
      const at = (blurPath: 'from_zero' | 'from_min', t: number): number[] =>
        [
          ...blur(transformConfig({ blurPath, blurSigmaPx: [0.5, 2] }))
            .at(tensor([[2], [0]]), t)
            .toTypedArray(),
        ].map(Number);
      expect([at('from_zero', 0), at('from_zero', 0.5), at('from_zero', 1)]).toEqual([
        [0, 0],
        [1, 0],
        [2, 0],
      ]);
      expect([at('from_min', 0), at('from_min', 0.5), at('from_min', 1)]).toEqual([
        [0.5, 0],
        [1.25, 0],
        [2, 0],
      ]);
    });
  });
});
