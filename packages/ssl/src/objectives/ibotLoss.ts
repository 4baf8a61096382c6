/**
 * The loss of masked image modelling in feature space (iBOT): the student has to say of the patches it does not see what the teacher,
 * which sees them, says of them. Source: Zhou et al. 2022 (arXiv 2111.07832), equation 2; bytedance/ibot main_ibot.py, iBOTLoss;
 * facebookresearch/dinov2 loss/ibot_patch_loss.py, forward_masked.
 *
 * B images, N patches, M masked patches of all images together, D width, K prototypes.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import type { View } from '../data/batch.js';
import { rowCrossEntropy } from './dinoLoss.js';
import { expectShapes } from './expectShapes.js';

/** The masked patches of a batch. */
export interface MaskedPatches {
  /** Where they are among the B * N patches, int64 [M], ascending. */
  readonly indices: Tensor;
  /** 1 / (masked patches of the image) / B, f32 [M]: sums to the share of images that have any. */
  readonly weights: Tensor;
}

/** The masked patches of views, one after the other: of V * B images. */
export function maskedPatchesOf(views: readonly View[]): MaskedPatches {
  const masks = views.map(({ name, mask, numMasked = NaN }) => {
    if (mask === undefined) throw new Error(`internal: ibot: the view ${name} has no mask`);
    return { mask, numMasked };
  });
  const total = masks.reduce((sum, { numMasked }) => sum + numMasked, 0);
  return maskedPatches(torch.cat(masks.map(({ mask }) => mask)), Number.isNaN(total) ? undefined : total);
}

/**
 * The masked patches of bool [B, N].
 * @param numMasked M, where it is known: without it a GPU has to be waited for
 * @throws ShapeError unless the mask has two axes
 */
export function maskedPatches(mask: Tensor, numMasked?: number): MaskedPatches {
  expectShapes('maskedPatches', { mask: [mask, 'B N'] });
  const [batch = 1] = mask.shape;
  const flat = mask.flatten();
  const found = numMasked === undefined ? flat.nonzero() : torch.ops.aten.nonzero_static(flat, { size: numMasked });
  const indices = found.flatten(); // [M]
  const perImage = mask.sum([1], true, { dtype: 'float32' }); // [B, 1]
  const weights = perImage.mul(batch).reciprocal().expand(mask.shape).flatten().indexSelect(0, indices);
  return { indices, weights };
}

/**
 * Mean over images of the mean over their masked patches of -sum_k P log softmax(s / temp): f32 []. An image without masked patches
 * counts as 0.
 * @param student logits s of the masked patches [M, K], any float dtype
 * @param teacher probabilities P of the same patches, f32 [M, K], without gradient
 * @param weights those of `maskedPatches`
 * @param temp the student's temperature; 0.1 in iBOT and DINOv2
 * @throws ShapeError unless there is a row of the teacher and a weight for each of the student's
 */
export function ibotLoss(student: Tensor, teacher: Tensor, weights: Tensor, temp: number): Tensor {
  expectShapes('ibotLoss', { student: [student, 'M K'], teacher: [teacher, 'M K'], weights: [weights, 'M'] });
  return rowCrossEntropy(student, teacher, temp).mul(weights).sum();
}
