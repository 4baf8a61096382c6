/**
 * torchvision's colour operations with one factor per image, without comparisons and selections (which no CPU vectorises).
 *
 * All are pure and differentiable in images and factors. They work in place on what they made themselves.
 * Source: formulas of torchvision `_functional_tensor.py`. B images, H and W pixels.
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
const NOT_ZERO = 1e-20; // less than any difference of two pixels
// Where each channel is lowest (red at cyan, green at magenta, blue at yellow), less 3: distances are folded there.
const FOLDED_AT = [0, 2, -2] as const;

/**
 * Turns the hue of HSV by `turn` (1 is a full turn): images f32 [B, 3, H, W] in [0, 1], turn f32 [B].
 *
 * With V the maximum, c the chroma and h the hue in sixths, a channel is V - c clamp(2 - d, 0, 1), where d is the distance on
 * the circle from h to the hue at which it is lowest. torchvision's six cases give the same.
 */
export function adjustHue(images: Tensor, turn: Tensor): Tensor {
  return scope(() => {
    const value = images.amax([1], true); // [B, 1, H, W]
    const least = images.amin([1], true);
    const chroma = value.sub(least);
    const turned = hueOf(images, least, chroma).add_(perImage(turn.mul(FULL_TURN)));
    const hue = turned.sub_(turned.div(FULL_TURN).round_(), { alpha: FULL_TURN }); // [-3, 3]
    const distance = hue.sub(perChannel(FOLDED_AT, images)).abs_().sub_(3).abs_(); // [B, 3, H, W]
    // V - c (2 - d), d cut off at 1 and 2.
    return value.sub(chroma, { alpha: 2 }).addcmul(chroma, distance.clamp_(1, 2));
  });
}

/**
 * Hue in sixths of a turn, [-3, 3]: with the channels scaled to [0, 1], 1 + g + b - r, negative where b > g. On the way from
 * red by yellow and green to cyan first g rises, then r falls, then b rises; the other half mirrors it.
 */
function hueOf(images: Tensor, least: Tensor, chroma: Tensor): Tensor {
  const [red, green, blue] = images.split(1, 1) as [Tensor, Tensor, Tensor]; // [B, 1, H, W]
  const sum = green.add(blue).sub_(red).sub_(least);
  const half = green.sub(blue).add_(NOT_ZERO).sign(); // 1 also for cyan, where both halves meet
  return sum.div_(chroma.clamp(SMALLEST_CHROMA)).add_(1).mul_(half);
}

function grayPlane(images: Tensor): Tensor {
  const [red, green, blue] = images.unbind(1) as [Tensor, Tensor, Tensor];
  const [r, g, b] = GRAY_WEIGHTS;
  return red.mul(r).add_(green, { alpha: g }).add_(blue, { alpha: b }).unsqueeze(1); // [B, 1, H, W]
}

function grayWeights({ dtype, device }: Tensor): Tensor {
  return tensor(GRAY_WEIGHTS, { dtype, device });
}
