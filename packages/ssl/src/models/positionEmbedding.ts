/**
 * Resizing of a learned position embedding to another grid.
 *
 * M patches a side in training, G patches a side wanted, D width.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';

/**
 * Position embedding f32 [1, 1 + M*M, D] to [1, 1 + G*G, D]: the class row is kept, the plane of patches is resized
 * bicubically to the wanted size, antialiased when it shrinks. Differentiable; the same tensor when M = G.
 * Source: DINOv2 interpolate_pos_encoding with interpolate_offset 0 and interpolate_antialias (its register models).
 */
export function resizePositions(positions: Tensor, gridPatches: number): Tensor {
  const [, rows = 0, width = 0] = positions.shape;
  const trained = Math.round(Math.sqrt(rows - 1));
  if (trained === gridPatches) return positions;
  const plane = positions
    .narrow(1, 1, trained * trained)
    .reshape([1, trained, trained, width])
    .permute([0, 3, 1, 2]); // [1, D, M, M]
  const resized = plane.upsampleBicubic2dAa([gridPatches, gridPatches], false); // [1, D, G, G]
  return torch.cat([positions.narrow(1, 0, 1), resized.flatten(2).transpose(1, 2)], 1);
}
