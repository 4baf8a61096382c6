import type { Tensor } from '@halfway/torch';

/** The column of the largest entry of each row: scores [n, L] to n class numbers. */
export function argmaxOfRows(scores: Tensor): Int32Array {
  return scores.argmax(1).to('int32').toTypedArray() as Int32Array;
}
