/** From RGB in [0, 1] to what an encoder sees, and back. B images, H and W pixels. */
import { type Tensor, tensor } from '@halfway/torch';
import { PIXEL_MEAN, PIXEL_STD } from '../config/pixelStatistics.js';

/** (images - mean) / std per channel: f32 [B, 3, H, W] in [0, 1] to the same shape. Source: torchvision `normalize`. */
export function normalize(images: Tensor): Tensor {
  return images.sub(perChannel(PIXEL_MEAN, images)).div_(perChannel(PIXEL_STD, images));
}

/** images * std + mean per channel, the inverse of `normalize`; not clamped. */
export function denormalize(images: Tensor): Tensor {
  return images.mul(perChannel(PIXEL_STD, images)).add_(perChannel(PIXEL_MEAN, images));
}

/** One number a channel, ready to meet images: [1, 3, 1, 1], dtype and device of the images. */
export function perChannel(values: readonly number[], { dtype, device }: Tensor): Tensor {
  return tensor(values, { dtype, device }).view([1, values.length, 1, 1]);
}

/** One number an image, ready to meet images: [B] to [B, 1, 1, 1]. */
export function perImage(values: Tensor): Tensor {
  return values.reshape([-1, 1, 1, 1]);
}
