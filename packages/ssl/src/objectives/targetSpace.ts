/**
 * The space in which pixels are reconstructed (docs/open-points.md, 19), and the way back to a picture.
 *
 * B images, S pixels a side, G patches a side of P pixels.
 */
import type { Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { denormalize, normalize } from '../transforms/pixels.js';

// Added to the variance of a patch. Source: MAE models_mae.py, forward_loss.
const PATCH_EPS = 1e-6;

export type TargetSpace = Config['recon']['space'];

/**
 * Images f32 [B, 3, S, S] in RGB [0, 1] as the decoder's targets, same shape.
 * `normalized`: minus ImageNet's mean, over its standard deviation. `rgb01`: as they are. `patch_norm`: normalized, then
 * each patch minus its mean, over its standard deviation (all 3 * P * P values, unbiased variance), as MAE does.
 */
export function toTargetSpace(images: Tensor, space: TargetSpace, patchPx: number): Tensor {
  switch (space) {
    case 'rgb01':
      return images;
    case 'normalized':
      return normalize(images);
    case 'patch_norm': {
      const { patches, mean, std } = patchStatistics(normalize(images), patchPx);
      return patches.sub(mean).div(std).reshape(images.shape);
    }
    default:
      return space satisfies never;
  }
}

/**
 * Decoded images back to RGB [0, 1], clamped, for a picture. With `patch_norm` a decoder says nothing of a patch's mean
 * and contrast: they are taken from `target`, RGB [B, 3, S, S].
 */
export function fromTargetSpace(decoded: Tensor, target: Tensor, space: TargetSpace, patchPx: number): Tensor {
  switch (space) {
    case 'rgb01':
      return decoded.clamp(0, 1);
    case 'normalized':
      return denormalize(decoded).clamp(0, 1);
    case 'patch_norm': {
      const { mean, std } = patchStatistics(normalize(target), patchPx);
      const patches = cutPatches(decoded, patchPx).mul(std).add(mean);
      return denormalize(patches.reshape(decoded.shape)).clamp(0, 1);
    }
    default:
      return space satisfies never;
  }
}

/** [B, 3, S, S] seen as [B, 3, G, P, G, P]. */
function cutPatches(images: Tensor, patchPx: number): Tensor {
  const [batch = 0, channels = 0, sidePx = 0] = images.shape;
  const grid = sidePx / patchPx;
  return images.reshape([batch, channels, grid, patchPx, grid, patchPx]);
}

function patchStatistics(
  images: Tensor,
  patchPx: number,
): { readonly patches: Tensor; readonly mean: Tensor; readonly std: Tensor } {
  const patches = cutPatches(images, patchPx); // [B, 3, G, P, G, P]
  const within = [1, 3, 5];
  return {
    patches,
    mean: patches.mean(within, true), // [B, 1, G, 1, G, 1]
    std: patches.var(within, { keepdim: true }).add(PATCH_EPS).sqrt(), // [B, 1, G, 1, G, 1]
  };
}
