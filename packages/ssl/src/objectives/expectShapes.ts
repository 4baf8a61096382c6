/** The one rule of the losses that are published: what they compare must fit, since tensors of other shapes broadcast without a word. */
import type { Tensor } from '@halfway/torch';
import { ShapeError } from '@halfway/torch';

/** A tensor and its axes: names, equal sizes under the same name, or sizes, as in 'V B K' or '1 K'. */
type Shaped = readonly [tensor: Tensor, axes: string];

/**
 * @param name of the function that is given the tensors
 * @param given by the names of its arguments
 * @throws ShapeError unless every tensor has its axes, and axes of one name are equally long
 */
export function expectShapes(name: string, given: Readonly<Record<string, Shaped>>): void {
  const sizes = new Map<string, number>();
  const fits = Object.values(given).every(([{ shape }, axes]) => {
    const wanted = axes.split(' ');
    return (
      wanted.length === shape.length &&
      shape.every((size, i) => {
        const axis = wanted[i] ?? '';
        const known = /^\d+$/.test(axis) ? Number(axis) : (sizes.get(axis) ?? size);
        sizes.set(axis, known);
        return known === size;
      })
    );
  });
  if (fits) return;
  const rule = Object.entries(given).map(([argument, [, axes]]) => `${argument} [${axes.split(' ').join(', ')}]`);
  const got = Object.values(given).map(([{ shape }]) => `[${shape.join(', ')}]`);
  throw new ShapeError(
    `${name}: must have ${rule.join(', ')}, got ${got.join(', ')}; axes of one name are equally long`,
  );
}

/** @throws ShapeError unless x and y are [B, E] of one shape and B is at least 2: what compares rows needs two. */
export function expectPairs(name: string, x: Tensor, y: Tensor): void {
  const [batch = 0] = x.shape;
  if (x.rank === 2 && x.shape.join() === y.shape.join() && batch >= 2) return;
  throw new ShapeError(
    `${name}: must have two tensors [B, E] of one shape with B at least 2, got [${x.shape.join(', ')}] and [${y.shape.join(', ')}]; ` +
      'give the embeddings of both views, a row an image',
  );
}
