/** The middle of a canvas. B images, C channels, H and W pixels, S pixels a side of the view. */
import type { Tensor } from '@halfway/torch';

/**
 * The central S x S of images [B, C, H, W], as a view [B, C, S, S] of the same memory.
 * @throws RangeError when S is larger than a side, or differs from it by an odd number: the middle would lie between pixels.
 */
export function cropCenter(images: Tensor, sizePx: number): Tensor {
  const [, , height = 0, width = 0] = images.shape;
  for (const side of [height, width]) {
    if (sizePx > side || (side - sizePx) % 2 !== 0) {
      throw new RangeError(
        `cropCenter: the margin around ${sizePx} px must be an even number of pixels, got a side of ${side} px`,
      );
    }
  }
  if (height === sizePx && width === sizePx) return images;
  return images.narrow(2, (height - sizePx) / 2, sizePx).narrow(3, (width - sizePx) / 2, sizePx);
}
