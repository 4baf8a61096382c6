/**
 * torchvision's colour operations with one factor per image, without comparisons and selections (which no CPU vectorises).
 *
 * All are pure and differentiable in images and factors. They work in place on what they made themselves.
 * Source: formulas of torchvision `_functional_tensor.py` (recipes J.3). B images, H and W pixels.
 */
import { scope, type Tensor, tensor } from '@halfway/torch';
import { perChannel, perImage } from './pixels.js';

// ITU-R BT.601 as torchvision rounds it.
const GRAY_WEIGHTS = [0.2989, 0.587, 0.114] as const;

/** clamp(f x, 0, 1): images f32 [B, 3, H, W], factor f32 [B]. */
export function adjustBrightness(images: Tensor, factor: Tensor): Tensor {
  return scope(() => images.mul(perImage(factor)).clamp_(0, 1));
}

/** clamp(f x + (1 - f) m, 0, 1), m the mean of the image's gray values: images f32 [B, 3, H, W], factor f32 [B]. */
export function adjustContrast(images: Tensor, factor: Tensor): Tensor {
  return scope(() => {
    const mean = images.mean([2, 3]).matmul(grayWeights(images)); // [B]
    const offset = factor.neg().add_(1).mul_(mean);
    return images.mul(perImage(factor)).add_(perImage(offset)).clamp_(0, 1);
  });
}

/** clamp(f x + (1 - f) gray(x), 0, 1): images f32 [B, 3, H, W], factor f32 [B]. */
export function adjustSaturation(images: Tensor, factor: Tensor): Tensor {
  return scope(() => grayPlane(images).lerp(images, perImage(factor)).clamp_(0, 1));
}

/** 0.2989 R + 0.587 G + 0.114 B in all three channels: f32 [B, 3, H, W], a view of one plane. */
export function grayscale(images: Tensor): Tensor {
  return scope(() => grayPlane(images).expand(images.shape));
}

/** 1 - x where x >= 1/2, which is min(x, 1 - x). Equals PIL's solarize at 128 on all 256 levels. f32 [B, 3, H, W] in [0, 1]. */
export function solarize(images: Tensor): Tensor {
  return scope(() => images.minimum(images.neg().add_(1)));
}

const FULL_TURN = 6; // hue in sixths of a turn: red 0, green 2, blue 4
const SMALLEST_CHROMA = 1e-12; // a gray pixel has no hue and needs none
// Where each channel is lowest: red at cyan, green at magenta, blue at yellow.
const LOWEST_AT = [3, 5, 1] as const;

/**
 * Turns the hue of HSV by `turn` (1 is a full turn): images f32 [B, 3, H, W] in [0, 1], turn f32 [B] in [-0.5, 0.5].
 *
 * With V the maximum, c the chroma and h the hue in sixths, a channel is V - c clamp(2 - d, 0, 1), where d is the distance on
 * the circle from h to the hue at which it is lowest. torchvision's six cases give the same.
 */
export function adjustHue(images: Tensor, turn: Tensor): Tensor {
  return scope(() => {
    const [red, green, blue] = images.unbind(1) as [Tensor, Tensor, Tensor]; // each [B, H, W]
    const value = red.maximum(green).maximum(blue);
    const chroma = value.sub(red.minimum(green).minimum(blue));
    const hue = hueOf(red, green, blue, value, chroma).add_(turn.mul(FULL_TURN).view([-1, 1, 1]));
    const wrapped = hue.sub(hue.add(1).div_(FULL_TURN).floor_().mul_(FULL_TURN)); // [-1, 5)
    const fromLowest = wrapped.unsqueeze(1).sub(perChannel(LOWEST_AT, images)); // [B, 3, H, W] in [-6, 4)
    const drop = fromLowest.abs_().sub_(3).abs_().sub_(1).clamp_(0, 1); // 2 - d, with d = 3 - ||x| - 3|
    return value.unsqueeze(1).addcmul(chroma.unsqueeze(1), drop, { value: -1 });
  });
}

/** Hue in sixths of a turn, [-1, 5]: (G - B)/c at red, 2 + (B - R)/c at green, 4 + (R - G)/c at blue. */
function hueOf(red: Tensor, green: Tensor, blue: Tensor, value: Tensor, chroma: Tensor): Tensor {
  const atGreen = blue.sub(red).add_(chroma, { alpha: 2 });
  const atBlue = red.sub(green).add_(chroma, { alpha: 4 });
  const [isNotRed, isNotGreen] = [value.sub(red).sign(), value.sub(green).sign()]; // 0 where that channel is the maximum
  const numerator = green.sub(blue).lerp(atGreen.lerp(atBlue, isNotGreen), isNotRed);
  return numerator.div(chroma.clamp(SMALLEST_CHROMA));
}

function grayPlane(images: Tensor): Tensor {
  const [red, green, blue] = images.unbind(1) as [Tensor, Tensor, Tensor];
  const [r, g, b] = GRAY_WEIGHTS;
  return red.mul(r).add_(green, { alpha: g }).add_(blue, { alpha: b }).unsqueeze(1); // [B, 1, H, W]
}

function grayWeights({ dtype, device }: Tensor): Tensor {
  return tensor(GRAY_WEIGHTS, { dtype, device });
}
