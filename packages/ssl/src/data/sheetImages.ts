import type { Tensor } from '@halfway/torch';
import type { SheetColumn } from './contactSheet.js';

/** f32 [B, 3, S, S] in [0, 1] to bytes in rows of pixels, u8 [B, S, S, 3]. */
export function sheetImages(images: Tensor): SheetColumn['images'] {
  const [count = 0, , sizePx = 0] = images.shape;
  const bytes = images.clamp(0, 1).mul(255).round().to('uint8').permute([0, 2, 3, 1]).contiguous();
  return { pixels: bytes.toBytes(), sizePx, count };
}
