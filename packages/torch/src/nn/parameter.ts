// What makes a tensor a parameter: a class, so that modules tell parameters from buffers.

import { engine } from '../native.js';
import { keep } from '../scope.js';
import { Tensor } from '../tensor.js';

/** A tensor that is trained: a leaf that requires a gradient and that no scope disposes. */
export class Parameter extends Tensor {
  /**
   * Takes over the memory of `values`, which is disposed: what is left is the parameter.
   * Throws Error for a tensor that was computed from others with gradients, DtypeError unless it is of a float dtype.
   */
  constructor(values: Tensor) {
    if (!values.isLeaf)
      throw new Error('Parameter: must be made of a leaf, got a computed tensor; call detach() on it');
    super(engine().alias(values.handle));
    keep(this);
    this.requiresGrad_();
    values.dispose();
  }
}
