/** How wide the features are that an objective's loss reads. */
import type { Config } from './schema.js';

/** Features of the adapter that are the invariant part: all of them where the equivariant part is the head's. */
export function invariantDim({ location, dim, equivariantDim }: Config['split']): number {
  return location === 'head_output' ? dim : dim - equivariantDim;
}
