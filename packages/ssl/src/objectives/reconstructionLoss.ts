/**
 * The loss of the reconstruction task, and the same error by region.
 *
 * B images, C = 3 channels, H = W = S pixels, K targets.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { ShapeError } from '@halfway/torch';
import { zip } from '../pairs.js';
import { expectShapes } from './expectShapes.js';
import { maskPixels } from './maskPixels.js';

export interface ReconstructionLossOptions {
  /** `mean`: mean over B, C, H, W. `sum_pixels`: mean over B of the sum over C, H, W. */
  readonly reduction: 'mean' | 'sum_pixels';
  /** f32 [B, 1, S, S] of 0 and 1, one per k: only pixels where it is 1 are summed and counted. Left out, all are. */
  readonly valid?: readonly Tensor[];
}

/**
 * 1/K sum_k of the squared error of decoded_k against targets_k, f32 []. Source: arXiv 2503.18753v2, equation 2.
 * @param decoded D_k of the equivariant features, K of f32 [B, 3, S, S]
 * @param targets u_k in the same space and shape; the paper's is that of normalised pixels
 * @throws ShapeError unless every decoded image has a target of its shape, and a mask where `valid` is given
 */
export function reconstructionLoss(
  decoded: readonly Tensor[],
  targets: readonly Tensor[],
  { reduction, valid }: ReconstructionLossOptions,
): Tensor {
  const [got, wanted] = [shapesOf(decoded), shapesOf(targets)];
  if (decoded.length === 0 || got !== wanted || (valid && valid.length !== decoded.length)) {
    const masks = valid ? ` and ${valid.length} masks` : '';
    throw new ShapeError(
      `reconstructionLoss: must have a target of the same shape, and one mask or none, for every decoded image, got ${got || 'none'} ` +
        `for ${wanted || 'none'}${masks}; give one of each per state`,
    );
  }
  const errors = zip(decoded, targets).map(([image, target], k) => {
    const [batch = 1, channels = 3] = image.shape;
    const mask = valid?.[k];
    if (mask) expectShapes('reconstructionLoss', { decoded: [image, 'B C H W'], valid: [mask, 'B 1 H W'] });
    if (!mask) return reduction === 'mean' ? image.mseLoss(target) : image.sub(target).square().sum().div(batch);
    const sum = image.sub(target).square().mul(mask).sum();
    return reduction === 'mean' ? sum.div(mask.sum().mul(channels).clamp(1)) : sum.div(batch);
  });
  return errors.reduce((sum, error) => sum.add(error)).div(errors.length);
}

/**
 * Mean squared error per pixel inside and outside the photo, averaged over the targets; detached. Without `valid` every
 * pixel is inside and there is no `reconOutside`; 0 for a region that holds no pixel of the batch.
 */
export function errorByRegion(
  decoded: readonly Tensor[],
  wanted: readonly Tensor[],
  valid: readonly Tensor[] | undefined,
): { readonly reconInside: Tensor; readonly reconOutside?: Tensor } {
  const mean = (region?: readonly Tensor[]): Tensor =>
    reconstructionLoss(decoded, wanted, { reduction: 'mean', ...(region && { valid: region }) });
  return torch.scope(() =>
    torch.noGrad(() => {
      if (!valid) return { reconInside: mean() };
      return { reconInside: mean(valid), reconOutside: mean(valid.map((mask) => mask.neg().add(1))) };
    }),
  );
}

/**
 * The error inside the photo of who knows nothing of it and answers with one grey, the mean of the batch: the variance of all values
 * there, averaged over the targets; f32 [], detached.
 */
export function uninformedError(wanted: readonly Tensor[], valid: readonly Tensor[] | undefined): Tensor {
  return torch.scope(() =>
    torch.noGrad(() => {
      const errors = wanted.map((target, k) => {
        const mask = valid?.[k];
        const inside = mask ? target.mul(mask) : target;
        const count = mask
          ? mask
              .sum()
              .mul(target.shape[1] ?? 3)
              .clamp(1)
          : target.numel;
        return inside.square().sum().div(count).sub(inside.sum().div(count).square()).clampMin(0);
      });
      return errors.reduce((sum, error) => sum.add(error)).div(errors.length);
    }),
  );
}

/**
 * Mean squared error per pixel in patches that are hidden and in those that are seen, averaged over the targets; detached. 0 for a kind
 * of which the batch has none.
 * @param hidden bool [B, N], row-major over the grid
 */
export function errorByMask(
  decoded: readonly Tensor[],
  wanted: readonly Tensor[],
  hidden: Tensor,
): { readonly reconMasked: Tensor; readonly reconUnmasked: Tensor } {
  return torch.noGrad(() => {
    const [, , height = 0, width = 0] = wanted[0]?.shape ?? [];
    const masked = maskPixels(hidden, height, width); // [B, 1, S, S]
    const mean = (region: Tensor): Tensor =>
      reconstructionLoss(decoded, wanted, { reduction: 'mean', valid: decoded.map(() => region) });
    return { reconMasked: mean(masked), reconUnmasked: mean(masked.neg().add(1)) };
  });
}

function shapesOf(images: readonly Tensor[]): string {
  return images.map(({ shape }) => `[${shape.join(', ')}]`).join(' ');
}
