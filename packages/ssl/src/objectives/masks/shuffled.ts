/** Random order, planned from a stream of uniform numbers. */
import type { UniformDraw } from '../../transforms/transformation.js';

/** The items in random order, each order as likely as another: sorted by a number drawn for each. */
export function shuffled<T>(items: readonly T[], draw: UniformDraw): T[] {
  return items
    .map((item) => ({ item, rank: draw() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}
