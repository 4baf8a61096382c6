// What the normalisations take.

import type { Tensor } from '../tensor.js';

/** x for a kernel with float32 weights and statistics: those of the CPU take bfloat16 values beside them, others want one dtype. */
export function normInput(x: Tensor): Tensor {
  return x.device === 'cpu' ? x : x.to('float32');
}
