/** What a mask of patches is on the image. */
import type { Tensor } from '@halfway/torch';
import { full, where } from '@halfway/torch';

/**
 * The pixels of patches: f32 [B, 1, H, W], 1 where a patch is marked and 0 elsewhere.
 * @param mask bool [B, N], row-major over the grid
 */
export function maskPixels(mask: Tensor, heightPx: number, widthPx: number): Tensor {
  const [batch = 0, numPatches = 0] = mask.shape;
  const grid = Math.sqrt(numPatches);
  return mask.reshape([batch, 1, grid, grid]).to('float32').upsampleNearest2d([heightPx, widthPx]);
}

/**
 * Images as who sees no marked patch sees them: grey there; f32 [B, 3, H, W].
 * @param images f32 [B, 3, H, W]
 * @param mask bool [B, N], row-major over the grid
 */
export function seenImages(images: Tensor, mask: Tensor): Tensor {
  const [, , heightPx = 0, widthPx = 0] = images.shape;
  return where(maskPixels(mask, heightPx, widthPx).gt(0), full([], 0.5, { device: images.device }), images);
}
