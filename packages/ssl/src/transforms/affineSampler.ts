/**
 * The one sampler behind rotation, translation and SE(2): every output pixel shows a point of the source.
 *
 * Coordinates are pixels from the image's centre, x to the right, y down; the centre of an image of W pixels is index
 * (W - 1) / 2. The grid is one matrix product for the whole batch, and only the part of the output that is wanted is sampled.
 * With zeros, bilinear and the whole image this is torchvision's `rotate` and `affine` (fixtures/transforms.py).
 * B images, C channels, H and W pixels.
 */
import { cat, ones, scope, stack, type Tensor, tensor } from '@halfway/torch';
import { PIXEL_MEAN } from '../config/pixelStatistics.js';
import type { Config } from '../config/schema.js';
import { mapChunks } from './chunks.js';
import { perChannel } from './pixels.js';
import type { Fill } from './transformation.js';

export type Interpolation = Config['transform']['interpolation'];

/** How the source is read. */
export interface SamplerOptions {
  /** `mean` is ImageNet's mean colour: zero after normalisation. `reflect` mirrors at the outer edge of the border pixels. */
  readonly fill: Exclude<Fill, 'content'>;
  /** Bicubic has a = -0.75 (PyTorch's) and is clamped to [0, 1]. */
  readonly interpolation: Interpolation;
  /** Side of the central square that is wanted; all of the output by default. */
  readonly outputPx?: number | undefined;
}

/**
 * out(p) = in(A p + b) for output offsets p from the centre.
 *
 * @param images f32 [B, C, H, W]; C is 3 for the fill `mean`
 * @param inverse [A | b], f32 [B, 2, 3], b in pixels
 * @returns f32 [B, C, H, W], or [B, C, S, S] with `outputPx` S; differentiable in both tensors
 */
export function sampleAffine(images: Tensor, inverse: Tensor, options: SamplerOptions): Tensor {
  const { fill, interpolation, outputPx } = options;
  const [, , height = 0, width = 0] = images.shape;
  const [outputHeight, outputWidth] = [outputPx ?? height, outputPx ?? width]; // H', W'
  return scope(() => {
    const points = outputPoints(outputHeight, outputWidth, inverse);
    return mapChunks(images, (part, first, end) =>
      scope(() => {
        const planes = samplingGrid(inverse.narrow(0, first, end - first), points, [height, width]);
        const grid = planes.view([-1, 2, outputHeight, outputWidth]); // [B, 2, H', W']
        return sampleGrid(part, grid.permute([0, 2, 3, 1]), fill, interpolation); // planes are read as fast as pairs
      }),
    );
  });
}

function sampleGrid(images: Tensor, grid: Tensor, fill: SamplerOptions['fill'], interpolation: Interpolation): Tensor {
  const padding = fill === 'reflect' ? 'reflection' : 'zeros';
  const mean = fill === 'mean' ? perChannel(PIXEL_MEAN, images) : undefined;
  const sampled = (mean ? images.sub(mean) : images).gridSampler(grid, interpolation, padding, false);
  const filled = mean ? sampled.add_(mean) : sampled; // what lies outside is mean + 0
  return interpolation === 'bicubic' ? filled.clamp(0, 1) : filled; // a cubic overshoots
}

/** The inverse of a turn by `angleRad` counter-clockwise about the centre, then a shift: p = R q + t has q = R^-1 (p - t). */
export function inverseRigid(angleRad: Tensor, shiftPx?: Tensor): Tensor {
  return scope(() => {
    const [cos, sin] = [angleRad.cos(), angleRad.sin()]; // [B, 1]
    const zero = angleRad.mul(0);
    const [x, y] = shiftPx === undefined ? [zero, zero] : [shiftPx.narrow(1, 0, 1), shiftPx.narrow(1, 1, 1)];
    const shiftX = sin.mul(y).sub(cos.mul(x));
    const shiftY = sin.mul(x).add(cos.mul(y)).neg();
    return cat([cos, sin.neg(), shiftX, sin, cos, shiftY], 1).view([-1, 2, 3]); // [B, 2, 3]
  });
}

/**
 * Side of the source that an output of `sizePx` can show after turns up to `angleRad` and shifts up to `shiftPx` on each axis,
 * of the output's parity so that the central square lies on whole pixels.
 */
export function rigidCanvasPx(
  sizePx: number,
  { angleRad, shiftPx, interpolation }: { angleRad: number; shiftPx: number; interpolation: Interpolation },
): number {
  const stretch = angleRad >= Math.PI / 4 ? Math.SQRT2 : Math.cos(angleRad) + Math.sin(angleRad);
  const reach = (sizePx - 1 + 2 * shiftPx) * stretch;
  const margin = interpolation === 'bicubic' ? 2 : 0; // a cubic reads one pixel more on each side
  const least = Math.ceil(reach + 1 + margin - ROUNDING_PX);
  return least + ((least - sizePx) % 2);
}

const ROUNDING_PX = 1e-6;

/** Homogeneous offsets (x, y, 1) of the output's pixels from the centre, [3, H' * W'], dtype and device of `like`. */
function outputPoints(height: number, width: number, { dtype, device }: Tensor): Tensor {
  const offsets = (side: number): Tensor =>
    tensor(
      Float32Array.from({ length: side }, (_, i) => i - (side - 1) / 2),
      { dtype, device },
    );
  const x = offsets(width).expand([height, width]);
  const y = offsets(height).unsqueeze(1).expand([height, width]);
  return stack([x, y, ones([height, width], { dtype, device })]).view([3, height * width]);
}

/** Where each point is read, in [-1, 1] (the outer edges of the source's border pixels): rows x and y per image, [2B, H' * W']. */
function samplingGrid(inverse: Tensor, points: Tensor, [height, width]: readonly [number, number]): Tensor {
  const { dtype, device } = inverse;
  const perPixel = tensor([2 / width, 2 / height], { dtype, device }).view([2, 1]);
  return inverse.mul(perPixel).view([-1, 3]).matmul(points);
}
