import { scope } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { cropCenter } from './cropCenter.js';
import { fixture, largestDifference, mildImages } from './fixture.case.js';
import { denormalize, normalize } from './pixels.js';

describe('normalize', () => {
  it("equals torchvision's, and denormalize undoes it", () => {
    scope(() => {
      const images = fixture.get('images');
      expect(largestDifference(normalize(images), fixture.get('normalize/out'))).toBeLessThan(1e-6);
      expect(largestDifference(denormalize(normalize(images)), images)).toBeLessThan(1e-6);
    });
  });
});

describe('cropCenter', () => {
  it('is the middle, and all of an image of that size', () => {
    scope(() => {
      const images = mildImages(2, 9);
      expect(largestDifference(cropCenter(images, 5), images.narrow(2, 2, 5).narrow(3, 2, 5))).toBe(0);
      expect(cropCenter(images, 9)).toBe(images);
    });
  });

  it('refuses a middle between pixels, or outside', () => {
    scope(() => {
      expect(() => cropCenter(mildImages(1, 9), 4)).toThrow(
        'cropCenter: the margin around 4 px must be an even number of pixels, got a side of 9 px',
      );
      expect(() => cropCenter(mildImages(1, 4), 6)).toThrow('side of 4 px');
    });
  });
});
