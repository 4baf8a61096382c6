/** How far a loss has come. */
import type { Tensor } from '@halfway/torch';

/**
 * A loss over what it is when nothing is known, such as ln K for a cross entropy over K prototypes: 1 at the start, and falling when
 * something is learned. f32 [], detached.
 * @param uninformed that value, above 0
 * @param weight sum of the weights in the loss, f32 []; 1 when left out
 */
export function overUninformed(loss: Tensor, uninformed: number, weight?: Tensor): Tensor {
  const share = loss.detach().div(uninformed);
  return weight === undefined ? share : share.div(weight.clampMin(1e-12));
}
