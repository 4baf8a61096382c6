import { ones, tensor, zeros, type Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../config/schema.js';
import type { Squares } from '../../data/squares.js';
import { expectClose } from '../../models/fixture.case.js';
import { R2_PARAMETERS } from '../../protocol/report.js';
import { insideCanvasPx, originalView, renderingPx, transformedView } from './borders.js';
import { describeRanges, drawThetas, evaluationTransformations, requireRanges, scaleThetas } from './thetas.js';
import { encodeTransformed, type TransformedFeatures } from './transformedFeatures.js';

const SIZE = 32;
const transformations = evaluationTransformations(configSchema.parse({}).transform, SIZE);
const shiftPx = (10 * SIZE) / 224;

/** The ends of a transformation's range, [2, P]. */
function extremes(parameter: (typeof R2_PARAMETERS)[number]): Tensor {
  const specs = transformations[parameter].parameters;
  return tensor([specs.map(({ min }) => min), specs.map(({ max }) => max)]);
}

describe('borders', () => {
  it('renders a canvas of at least ceil(S sqrt 2) + 2 t, around a whole number of pixels', () => {
    expect(insideCanvasPx(32, shiftPx)).toBe(50); // 46 + 3, and even
    expect(insideCanvasPx(224, 10)).toBe(338); // 317 + 20, and even
    for (let size = 8; size < 80; size++) {
      const canvas = insideCanvasPx(size, (10 * size) / 224);
      expect((canvas - size) % 2).toBe(0);
      expect(canvas).toBeGreaterThanOrEqual(Math.ceil(size * Math.SQRT2) + (20 * size) / 224);
    }
    expect(renderingPx('zeros', 32, shiftPx)).toBe(32);
  });

  it.each(['rotation', 'translation'] as const)(
    'inside never shows a pixel from outside the rendering under %s, zeros does',
    (parameter) => {
      const theta = extremes(parameter);
      const canvas = ones([2, 3, insideCanvasPx(SIZE, shiftPx), insideCanvasPx(SIZE, shiftPx)]);
      const inside = transformedView(canvas, theta, transformations[parameter], SIZE);
      expect(inside.shape).toEqual([2, 3, SIZE, SIZE]);
      expect(inside.amin([0, 1, 2, 3]).item()).toBeCloseTo(1, 5);
      const zerosView = transformedView(ones([2, 3, SIZE, SIZE]), theta, transformations[parameter], SIZE);
      expect(zerosView.amin([0, 1, 2, 3]).item()).toBeLessThan(0.01);
    },
  );

  it('g with theta = 0 is the original view', () => {
    const canvas = tensor(
      Float32Array.from({ length: 3 * 50 * 50 }, (_, i) => 0.5 + 0.4 * Math.sin(i / 7)),
      { shape: [1, 3, 50, 50] },
    );
    for (const parameter of ['rotation', 'translation', 'color'] as const) {
      const theta = zeros([1, transformations[parameter].parameters.length]);
      const view = transformedView(canvas, theta, transformations[parameter], SIZE);
      expectClose(view, originalView(canvas, SIZE), parameter, 1e-4);
    }
  });
});

describe('thetas', () => {
  const ids = ['a.jpg', 'b.jpg', 'c.jpg'];

  it('are the ranges of the paper, scaled to [-1, 1]', () => {
    expect(describeRanges(transformations.rotation)).toContain('[-0.7854, 0.7854] rad');
    expect(describeRanges(transformations.translation)).toContain('[-1.4286, 1.4286] px');
    expect(describeRanges(transformations.blur)).toContain('[0.1, 2] px');
    for (const parameter of R2_PARAMETERS) {
      const transformation = transformations[parameter];
      const ends = Float32Array.from(transformation.parameters.flatMap(({ min, max }) => [min, max]));
      const many = scaleThetas(transformation, drawThetas(transformation, ids, 400));
      expect(Math.max(...many.map(Math.abs))).toBeLessThanOrEqual(1.000001);
      expect(Math.max(...many)).toBeGreaterThan(0.98);
      expect(Math.min(...many)).toBeLessThan(-0.98);
      if (ends.length === 2) expect([...scaleThetas(transformation, ends)]).toEqual([-1, 1]);
    }
  });

  it('follow from the id alone, and differ between ids, thetas and parameters', () => {
    const rotation = drawThetas(transformations.rotation, ids, 2);
    expect([...drawThetas(transformations.rotation, ['c.jpg', 'a.jpg'], 2)]).toEqual([
      ...[rotation[4], rotation[5]],
      ...[rotation[0], rotation[1]],
    ]);
    expect(new Set(rotation).size).toBe(6);
    const [scaledRotation, scaledBlur] = (['rotation', 'blur'] as const).map((name) =>
      scaleThetas(transformations[name], drawThetas(transformations[name], ids, 2)),
    );
    expect(scaledRotation).not.toEqual(scaledBlur);
  });

  it('must have a range, by the key that it follows from', () => {
    for (const parameter of R2_PARAMETERS) requireRanges(parameter, transformations[parameter]);
    const fixed = evaluationTransformations(
      configSchema.parse({ transform: { color: { hue: 0 }, blurSigmaPx: [1, 1] } }).transform,
      SIZE,
    );
    const refused = (parameter: 'color' | 'blur'): (() => void) => {
      return () => requireRanges(parameter, fixed[parameter]);
    };
    expect(refused('color')).toThrow(
      'transform.color.hue: R2 needs a range of more than one value, got [0, 0] turn of hue; widen it, or leave color out',
    );
    expect(refused('blur')).toThrow(
      'transform.blurSigmaPx: R2 needs a range of more than one value, got [1, 1] px of sigma',
    );
  });

  it('are drawn whatever probability the training had', () => {
    const never = evaluationTransformations({ ...configSchema.parse({}).transform, prob: 0 }, SIZE);
    expect(new Set(drawThetas(never.rotation, ids, 2)).size).toBe(6);
  });
});

describe('encodeTransformed', () => {
  it('puts the thetas of a photo next to each other, each applied with its own', async () => {
    // Photos 5 and 8 of the source, grey values 51 and 102; brightness moves them by its own theta.
    const pixels = Uint8Array.from({ length: 2 * 3 * 64 }, (_, i) => (i < 192 ? 51 : 102));
    async function* chunks(): AsyncGenerator<Squares> {
      yield await Promise.resolve({ indices: Int32Array.of(5, 8), pixels, shortSidesPx: Int32Array.of(9, 9) });
    }
    const small = evaluationTransformations(configSchema.parse({}).transform, 8);
    const brightness = (index: number, angle: number): number => (index === 5 ? 0.1 : -0.2) * (angle + 1);
    const encoded = (name: 'color' | 'rotation', firstParameter: typeof brightness): Promise<TransformedFeatures> => {
      const transformation = small[name];
      const width = transformation.parameters.length;
      const thetasOf = (index: number): Float32Array => {
        const thetas = new Float32Array(2 * width);
        [0, 1].forEach((angle) => (thetas[angle * width] = firstParameter(index, angle)));
        return thetas;
      };
      const plan = { numPhotos: 2, renderingPx: 8, sizePx: 8, thetasPerImage: 2, transformation, thetasOf };
      return encodeTransformed(chunks(), plan, (images) => images.mean([2, 3]), 2);
    };
    const { features, indices } = await encoded('color', brightness);
    expect([...indices]).toEqual([5, 8]);
    expect(features.shape).toEqual([4, 3]);
    const expected = [0.2 * 1.1, 0.2 * 1.2, 0.4 * 0.8, 0.4 * 0.6];
    expectClose(features.select(1, 0), tensor(expected), 'brightness', 1e-5);
    const unturned = await encoded('rotation', () => 0);
    expectClose(unturned.features.select(1, 0), tensor([0.2, 0.2, 0.4, 0.4]), 'no rotation', 1e-5);
  });
});
