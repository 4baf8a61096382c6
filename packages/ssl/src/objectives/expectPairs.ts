/** The one rule of the losses that compare two views' embeddings. */
import type { Tensor } from '@halfway/torch';

/**
 * @param name of the function that is given them
 * @throws RangeError unless x and y are [B, E] of one shape and B is at least 2
 */
export function expectPairs(name: string, x: Tensor, y: Tensor): void {
  const [batch = 0] = x.shape;
  if (x.shape.join() === y.shape.join() && x.rank === 2 && batch >= 2) return;
  throw new RangeError(
    `${name}: must have two tensors [B, E] of one shape with B at least 2, got [${x.shape.join(', ')}] and [${y.shape.join(', ')}]; ` +
      'give the embeddings of both views, a row an image',
  );
}
