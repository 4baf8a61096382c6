/** The golden images of transforms, and one configuration of each transformation. Not a test itself. */
import { type Tensor, rand, generator } from '@halfway/torch';
import { configSchema, type Config } from '../config/schema.js';
import { expectGradient, Fixture, present } from '../models/fixture.case.js';
import { createTransformation } from './createTransformation.js';
import type { Transformation } from './transformation.js';

/** fixtures/transforms.safetensors. */
export const fixture = new Fixture('transforms');

/** The transform section with its defaults, changed. */
export function transformConfig(changes: Partial<Config['transform']> = {}): Config['transform'] {
  return { ...configSchema.parse({}).transform, ...changes };
}

/** The augment section with its defaults, changed. */
export function augmentConfig(changes: Partial<Config['augment']> = {}): Config['augment'] {
  return { ...configSchema.parse({}).augment, ...changes };
}

/** Every transformation with every switch that changes its path or its sampling, by a name for the test. */
export function everyTransformation(sizePx: number): [string, Transformation][] {
  const variants: [Transformation['name'], Partial<Config['transform']>][] = [
    ['rotation', {}],
    ['rotation', { interpolation: 'bicubic' }],
    ['translation', { translateUnit: 'px', translatePx: 2.5 }],
    ['se2', { translateUnit: 'px', translatePx: 2.5 }],
    ['se2', { translateUnit: 'px', translatePx: 2.5, se2Path: 'geodesic' }],
    ['color', {}],
    ['blur', {}],
    ['blur', { blurPath: 'from_min' }],
  ];
  return variants.map(([name, changes]) => [
    [name, ...Object.values(changes).map(String)].join(' '),
    createTransformation(name, transformConfig(changes), sizePx),
  ]);
}

/** Random images f32 [B, 3, S, S] in [0.2, 0.8]: far from where colours are cut off. */
export function mildImages(count: number, sizePx: number, seed = 5): Tensor {
  return rand([count, 3, sizePx, sizePx], { generator: generator(seed) })
    .mul(0.6)
    .add(0.2);
}

/** The gradient of the weighted sum of fn's images, in both arguments taken as f64, against finite differences. */
export function expectImageGradient(
  fn: (images: Tensor, amount: Tensor) => Tensor,
  images: Tensor,
  amount: Tensor,
): void {
  const [count = 0, , sizePx = 0] = images.shape;
  const weights = mildImages(count, sizePx, 9).to('float64');
  expectGradient(
    ([x, a]) => fn(present(x), present(a)).mul(weights).sum(),
    [images.to('float64'), amount.to('float64')],
  );
}

/** Largest absolute difference. */
export function largestDifference(actual: Tensor, expected: Tensor): number {
  return actual.sub(expected).abs().amax().item();
}
