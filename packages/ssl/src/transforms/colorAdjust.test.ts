import { scope, tensor, type Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation, grayscale, solarize } from './colorAdjust.js';
import { color } from './color.js';
import { expectImageGradient, fixture, largestDifference, mildImages, transformConfig } from './fixture.case.js';

const ADJUST = {
  brightness: adjustBrightness,
  contrast: adjustContrast,
  saturation: adjustSaturation,
  hue: adjustHue,
} as const;

// torchvision adds the same numbers in another order; hue divides by the chroma, of at least 1/255 here.
const TOLERANCE = 2e-6;

describe('colour operations', () => {
  it.each(Object.entries(ADJUST))("%s equals torchvision's, on gray, primary and tied colours too", (name, adjust) => {
    scope(() => {
      const actual = adjust(fixture.get('images'), fixture.get(`${name}/amount`));
      expect(largestDifference(actual, fixture.get(`${name}/out`))).toBeLessThan(TOLERANCE);
    });
  });

  it('grayscale and solarize equal torchvision, solarize on both sides of its threshold', () => {
    scope(() => {
      expect(largestDifference(grayscale(fixture.get('images')), fixture.get('gray/out'))).toBeLessThan(TOLERANCE);
      expect(largestDifference(solarize(fixture.get('images')), fixture.get('solarize/out'))).toBeLessThan(1e-7);
    });
  });

  it('the colour path applies brightness, contrast, saturation, hue in that order', () => {
    scope(() => {
      const changed = color(transformConfig()).apply(fixture.get('images'), fixture.get('color/theta'), 'zeros');
      expect(largestDifference(changed, fixture.get('color/out'))).toBeLessThan(2 * TOLERANCE);
    });
  });

  it('a turn of the hue by a third moves red to green, and two half turns cancel', () => {
    scope(() => {
      const red = tensor([1, 0, 0]).view([1, 3, 1, 1]);
      expect(largestDifference(adjustHue(red, tensor([1 / 3])), tensor([0, 1, 0]).view([1, 3, 1, 1]))).toBeLessThan(
        1e-6,
      );
      const images = fixture.get('images');
      const half = (x: Tensor): Tensor => adjustHue(x, tensor([0.5, -0.5, 0.5, -0.5]));
      expect(largestDifference(half(half(images)), images)).toBeLessThan(5e-6);
    });
  });

  it.each(Object.entries(ADJUST))('%s: gradient in images and amount equals finite differences', (name, adjust) => {
    scope(() => {
      expectImageGradient(adjust, mildImages(2, 5), tensor(name === 'hue' ? [0.07, -0.12] : [0.8, 1.1]));
    });
  });
});
