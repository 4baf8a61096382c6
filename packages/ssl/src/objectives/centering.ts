/**
 * Centred targets: the teacher's probabilities, from which the mean of the past is taken so that no prototype wins everywhere.
 * Source: Caron et al. 2021 (arXiv 2104.14294), section 3.1, equation 4.
 *
 * M rows, K prototypes.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { expectShapes } from './expectShapes.js';

/**
 * softmax((logits - center) / temp) over K, f32 [M, K], without gradient.
 * @param logits the teacher's scores [M, K], any float dtype
 * @param center f32 [1, K]
 * @param temp the teacher's temperature, above 0; 0.04 to 0.07 in DINO and iBOT
 * @throws ShapeError unless K is that of both
 */
export function centeredTargets(logits: Tensor, center: Tensor, temp: number): Tensor {
  expectShapes('centeredTargets', { logits: [logits, 'M K'], center: [center, '1 K'] });
  return torch.scope(() => torch.noGrad(() => logits.sub(center).div(temp).softmax(-1)));
}

/**
 * momentum * center + (1 - momentum) * mean over M, f32 [1, K]: the centre of the step after. Without rows it stays.
 * @param center f32 [1, K]
 * @param scores the teacher's [M, K], any float dtype
 * @param momentum 0.9 in DINO and iBOT
 * @throws ShapeError unless K is that of both
 */
export function nextCenter(center: Tensor, scores: Tensor, momentum: number): Tensor {
  expectShapes('nextCenter', { center: [center, '1 K'], scores: [scores, 'M K'] });
  const [numRows = 0] = scores.shape;
  if (numRows === 0) return center;
  return torch.noGrad(() => center.lerp(scores.mean([0], true, { dtype: center.dtype }), 1 - momentum));
}
