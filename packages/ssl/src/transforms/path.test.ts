import { cat, full, ones, scope, type Tensor, tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { cropCenter } from './cropCenter.js';
import { createTransformation } from './createTransformation.js';
import { everyTransformation, fixture, largestDifference, mildImages, transformConfig } from './fixture.case.js';
import { renderPath, validRegion } from './path.js';
import { uniformStream } from './philox.js';
import type { Transformation } from './transformation.js';

const thetas = (g: Transformation, count: number): Tensor => {
  const rows = Array.from({ length: count }, (_, index) => [...g.sample(uniformStream(2, 0, index, 1, 'theta'))]);
  return tensor(rows.flat(), { shape: [count, g.parameters.length] });
};

describe('renderPath', () => {
  it.each(everyTransformation(12))(
    '%s: u_k = g_{theta_k}(u) with theta_k = k theta / (K + 1), and v2 = g_theta(u)',
    (_, g) => {
      scope(() => {
        const [u, theta] = [mildImages(3, 12), thetas(g, 3)];
        const { start, states, valid, end } = renderPath(u, theta, g, { intermediates: 3, fill: 'zeros', sizePx: 12 });
        expect(largestDifference(start, u)).toBe(0);
        expect(states.length).toBe(3);
        states.forEach((state, k) => {
          expect(state.shape).toEqual([3, 3, 12, 12]);
          expect(largestDifference(state, g.apply(u, g.at(theta, (k + 1) / 4), 'zeros'))).toBe(0);
        });
        expect(largestDifference(end, g.apply(u, theta, 'zeros'))).toBe(0);
        expect(valid.map(({ shape }) => shape)).toEqual(Array(3).fill([3, 1, 12, 12]));
      });
    },
  );

  it('content: nothing from outside the canvas, and nothing beyond its reach, is ever seen', () => {
    scope(() => {
      for (const [name, g] of everyTransformation(16)) {
        if (!g.geometric) continue;
        const canvasPx = g.canvasPx(16);
        const theta = cat([thetas(g, 20), tensor(g.parameters.map(({ max }) => max)).unsqueeze(0)]);
        const gray = full([21, 3, canvasPx, canvasPx], 0.5);
        const { states, valid, end } = renderPath(gray, theta, g, { intermediates: 2, fill: 'content', sizePx: 16 });
        for (const image of [...states, end]) expect(largestDifference(image, full([1], 0.5)), name).toBeLessThan(1e-5);
        for (const mask of valid) expect(mask.amin().item()).toBe(1);
      }
    });
  });

  it('content: a rotation sees no more of the canvas than a disc', () => {
    scope(() => {
      const g = createTransformation('rotation', transformConfig(), 16);
      const canvasPx = g.canvasPx(16); // 24
      const axis = tensor(Float32Array.from({ length: canvasPx }, (_, i) => i - (canvasPx - 1) / 2));
      const distance = axis.square().add(axis.square().unsqueeze(1)).sqrt();
      const outside = distance.gt((15 / 2 + 1) * Math.SQRT2).to('float32'); // one pixel around the corners of the view
      const sentinel = outside.mul(1000).expand([30, 3, canvasPx, canvasPx]);
      const { states, end } = renderPath(sentinel, thetas(g, 30), g, { intermediates: 2, fill: 'content', sizePx: 16 });
      for (const image of [...states, end]) expect(image.amax().item()).toBe(0);
    });
  });

  it('content: the views are cut from the middle of the canvas', () => {
    scope(() => {
      const g = createTransformation('rotation', transformConfig(), 16);
      const canvas = mildImages(2, g.canvasPx(16));
      const { start, end } = renderPath(canvas, tensor([[0], [0.4]]), g, {
        intermediates: 1,
        fill: 'content',
        sizePx: 16,
      });
      expect(largestDifference(start, cropCenter(canvas, 16))).toBe(0);
      expect(largestDifference(end, cropCenter(g.apply(canvas, tensor([[0], [0.4]]), 'zeros'), 16))).toBeLessThan(1e-5);
      expect(largestDifference(end.narrow(0, 0, 1), start.narrow(0, 0, 1))).toBeLessThan(1e-5);
    });
  });

  it('content: refuses a canvas that is too small, naming both sizes', () => {
    scope(() => {
      const g = createTransformation('rotation', transformConfig(), 16);
      const options = { intermediates: 1, fill: 'content', sizePx: 16 } as const;
      expect(() => renderPath(mildImages(1, 22), tensor([[0.1]]), g, options)).toThrow(
        'renderPath: rotation with fill content must have a canvas of 24 px for a view of 16 px, got 22 px',
      );
    });
  });
});

describe('validRegion', () => {
  it('is 1 exactly where all taps lie inside, for bilinear and bicubic', () => {
    scope(() => {
      const images = fixture.get('images');
      const theta = tensor([[0], [1.25], [-3], [0.5]]).mul(tensor([[1, 0]])); // along x, 13 columns
      const rows = (interpolation: 'bilinear' | 'bicubic'): string[] => {
        const g = createTransformation('translation', transformConfig({ interpolation }), 13);
        const mask = validRegion(g, theta, images, 13);
        return Array.from({ length: 4 }, (_, i) =>
          [...mask.select(0, i).select(0, 0).select(0, 6).toTypedArray()].join(''),
        );
      };
      expect(rows('bilinear')).toEqual(['1111111111111', '0011111111111', '1111111111000', '0111111111111']);
      // Whole shifts read one pixel; others read one more on each side.
      expect(rows('bicubic')).toEqual(['1111111111111', '0001111111111', '1111111111000', '0011111111110']);
    });
  });

  it('is where black fill shows none of its black', () => {
    scope(() => {
      const g = createTransformation('rotation', transformConfig(), 16);
      const theta = tensor([[0.7], [-0.3]]);
      const mask = validRegion(g, theta, mildImages(2, 16), 16);
      const white = g.apply(ones([2, 3, 16, 16]), theta, 'zeros');
      const shown = mask.mul(white.sub(1)).abs().amax().item();
      expect(shown).toBeLessThan(1e-3);
      expect(mask.mean().item()).toBeGreaterThan(0.75);
      expect(mask.mean().item()).toBeLessThan(0.95);
    });
  });
});
