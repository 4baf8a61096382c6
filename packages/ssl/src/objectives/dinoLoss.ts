/**
 * The loss of self-distillation with no labels (DINO): what a teacher says of one view, a student has to say of the others.
 * Source: Caron et al. 2021 (arXiv 2104.14294), equation 3, and facebookresearch/dino main_dino.py, DINOLoss.
 *
 * B images, V views of the student, Q <= V views of the teacher, M rows, K prototypes.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { ShapeError } from '@halfway/torch';
import { crossEntropy } from '@halfway/torch/nn';
import { expectShapes } from './expectShapes.js';

/**
 * Mean over the pairs (q, v) with v != q, and over B, of -sum_k P_q log softmax(s_v / temp): f32 [].
 * @param student logits s [V, B, K], any float dtype; its first Q views are the teacher's
 * @param teacher probabilities P, f32 [Q, B, K], without gradient
 * @param temp the student's temperature; 0.1 in DINO, iBOT and DINOv2
 * @throws ShapeError when B or K differ, or no pair of different views is left
 */
export function dinoLoss(student: Tensor, teacher: Tensor, temp: number): Tensor {
  expectShapes('dinoLoss', { student: [student, 'V B K'], teacher: [teacher, 'Q B K'] });
  const [numViews = 0, batch = 0] = student.shape;
  const [numTeachers = 0] = teacher.shape;
  const numPairs = numTeachers * (numViews - 1);
  if (numPairs < 1 || numTeachers > numViews) {
    throw new ShapeError(
      `dinoLoss: needs two views of the student or more, of which the teacher has seen the first, got ${numViews} of the ` +
        `student and ${numTeachers} of the teacher; give both global views to both`,
    );
  }
  // The loss is linear in P: a view's target is the sum of what the teacher says of all views but that one.
  const all = teacher.sum([0], true); // [1, B, K]
  const targets = torch.cat([all.sub(teacher), all.expand([numViews - numTeachers, -1, -1])]); // [V, B, K]
  return rowCrossEntropy(student.flatten(0, 1), targets.flatten(0, 1), temp)
    .sum()
    .div(batch * numPairs);
}

/** -sum_k target_k log softmax(logits / temp)_k of each row, in f32: [M, K] twice to [M]. */
export function rowCrossEntropy(logits: Tensor, targets: Tensor, temp: number): Tensor {
  return torch.scope(() => {
    const wide = logits.dtype === 'float64' ? logits : logits.to('float32');
    return crossEntropy(wide.div(temp), targets, { reduction: 'none' });
  });
}
