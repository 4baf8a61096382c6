// Values that an operator accepts: what fittingArguments.mjs and fittingLayers.mjs are written with.

import { tensor } from '../dist/index.js';

/** Draws values of one call that belong together: floating point tensors are of one dtype, sizes are small. */
export class FittingValues {
  /** @param {import('./random.mjs').Random} random */
  constructor(random) {
    this.random = random;
    this.dtype = random.chance(0.8) ? 'float32' : 'float64';
  }

  chance(probability) {
    return this.random.chance(probability);
  }

  pick(list) {
    return this.random.pick(list);
  }

  /** A whole number from `low` to `high`, both included. */
  int(low, high) {
    return low + this.random.below(high - low + 1);
  }

  /** That many sizes from 1 to 4. */
  sizes(count) {
    return Array.from({ length: count }, () => this.int(1, 4));
  }

  /** 1 to `most` sizes. */
  anySizes(most = 4) {
    return this.sizes(this.int(1, most));
  }

  /** One of the dimensions of a shape, counted from either end. */
  dimOf(shape) {
    return this.int(-shape.length, shape.length - 1);
  }

  /** The value, or in half of the calls none. */
  maybe(value) {
    return this.chance(0.5) ? value : undefined;
  }

  /** A floating point tensor: contiguous or not, with a gradient to compute or not. */
  floats(shape, { low = -2, high = 2 } = {}) {
    const made = this.#fill(shape, this.dtype, () => low + (high - low) * this.random.fraction());
    const kind = this.random.fraction();
    if (kind < 0.2) return made.requiresGrad_();
    if (kind < 0.3) return made.requiresGrad_().mul(1);
    if (kind < 0.5 && shape.length >= 2) return made.transpose(0, -1).contiguous().transpose(0, -1);
    return made;
  }

  /** A tensor of whole numbers from `low` to below `below`. */
  ints(shape, below, { low = 0, dtype = 'int64' } = {}) {
    return this.#fill(shape, dtype, () => low + this.random.below(below - low));
  }

  bools(shape) {
    return this.ints(shape, 2, { dtype: 'bool' });
  }

  /** Symmetric positive definite matrices. */
  definite(shape) {
    const made = this.floats([...shape, shape.at(-1)]).detach();
    return made.matmul(made.transpose(-1, -2)).add(tensor(Array.from({ length: shape.at(-1) }, () => 1)).diag());
  }

  #fill(shape, dtype, element) {
    const count = shape.reduce((product, size) => product * size, 1);
    return tensor(Float64Array.from({ length: count }, element), { shape, dtype });
  }
}
