/**
 * Resizing of a learned position embedding to another grid.
 *
 * M patches a side in training, G patches a side wanted, D width.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import type { Config } from '../config/schema.js';

// Added to G before it is divided by M: against a result of G - 1 rows from rounding. Source: iBOT and DINOv2, interpolate_pos_encoding.
const OFFSET = 0.1;

/**
 * Position embedding f32 [1, 1 + M*M, D] to [1, 1 + G*G, D]: the class row is kept, the plane of patches is resized bicubically.
 * Differentiable; the same tensor when M = G.
 *
 * - `size`: to G rows, patch i is read at (i + 0.5) M / G - 0.5; antialiased when the plane shrinks. Source: DINOv2's models with
 *   registers (interpolate_offset 0, interpolate_antialias).
 * - `offset`: by the scale s = (G + 0.1) / M, patch i is read at (i + 0.5) / s - 0.5, which is not the plane's middle for the middle
 *   patch; not antialiased. Source: DINO, iBOT, DINOv2's other models.
 */
export function resizePositions(
  positions: Tensor,
  gridPatches: number,
  mode: Config['model']['positionResize'],
): Tensor {
  const [, rows = 0, width = 0] = positions.shape;
  const trained = Math.round(Math.sqrt(rows - 1));
  if (trained === gridPatches) return positions;
  const plane = positions
    .narrow(1, 1, trained * trained)
    .reshape([1, trained, trained, width])
    .permute([0, 3, 1, 2]); // [1, D, M, M]
  const resized = resizePlane(plane, gridPatches, (gridPatches + OFFSET) / trained, mode); // [1, D, G, G]
  return torch.cat([positions.narrow(1, 0, 1), resized.flatten(2).transpose(1, 2)], 1);
}

function resizePlane(
  plane: Tensor,
  sizePatches: number,
  scale: number,
  mode: Config['model']['positionResize'],
): Tensor {
  const size = [sizePatches, sizePatches];
  switch (mode) {
    case 'size':
      return plane.upsampleBicubic2dAa(size, false);
    case 'offset':
      return plane.upsampleBicubic2d(size, false, scale, scale);
    default:
      return mode satisfies never;
  }
}
