/**
 * Centred targets: the teacher's probabilities, from which the mean of the past is taken so that no prototype wins everywhere.
 * Source: Caron et al. 2021 (arXiv 2104.14294), section 3.1, equation 4.
 *
 * M rows, K prototypes.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';

/** softmax((logits - center) / temp) over K, f32, without gradient. `logits` [..., K] in any float dtype, `center` f32 [1, K]. */
export function centeredTargets(logits: Tensor, center: Tensor, temp: number): Tensor {
  return torch.scope(() => torch.noGrad(() => logits.sub(center).div(temp).softmax(-1)));
}

/**
 * momentum * center + (1 - momentum) * mean over M, f32 [1, K]: the centre of the step after. Without rows it stays.
 * @param scores [M, K], any float dtype
 */
export function nextCenter(center: Tensor, scores: Tensor, momentum: number): Tensor {
  const [numRows = 0] = scores.shape;
  if (numRows === 0) return center;
  return torch.noGrad(() => center.lerp(scores.mean([0], true, { dtype: center.dtype }), 1 - momentum));
}
