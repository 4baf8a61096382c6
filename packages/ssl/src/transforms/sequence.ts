/** Several transformations, one after the other, as one: theta is theirs joined. B images. */
import { cat, type Tensor } from '@halfway/torch';
import { zip } from '../pairs.js';
import type { Transformation } from './transformation.js';

/**
 * g_theta = g_n o ... o g_1 with theta f32 [B, P_1 + ... + P_n]; each is drawn on its own, and the path takes all of them at once.
 * Geometric ones come last, so that what they show from outside the photo stays as `fill` has it. For views without intermediate
 * states: `validRegion` finds what lies outside by its colour, which a photometric part changes.
 */
export function sequence(name: Transformation['name'], parts: readonly Transformation[]): Transformation {
  const sizes = parts.map(({ parameters }) => parameters.length);
  return {
    name,
    parameters: parts.flatMap(({ parameters }) => parameters),
    geometric: parts.some(({ geometric }) => geometric),
    canvasPx: (sizePx) => Math.max(...parts.map((part) => part.canvasPx(sizePx))),
    sample: (draw) => Float32Array.from(parts.flatMap((part) => [...part.sample(draw)])),
    at: (theta, t) =>
      cat(
        zip(parts, theta.split(sizes, 1)).map(([part, own]) => part.at(own, t)),
        1,
      ),
    apply: (images, theta, fill, outputPx) =>
      zip(parts, theta.split(sizes, 1)).reduce<Tensor>(
        (current, [part, own], i) => part.apply(current, own, fill, i === parts.length - 1 ? outputPx : undefined),
        images,
      ),
  };
}
