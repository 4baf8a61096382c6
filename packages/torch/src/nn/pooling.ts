// Pooling of maps [B, C, H, W] (or [C, H, W]): functions in the dtype of x. A size is one number for both sides, or [height, width].
//
// B images, C channels, H and W pixels.

import type { Tensor } from '../tensor.js';
import type { PerDimension } from './perDimension.js';

/** A window and how it moves, in pixels. */
export interface PoolConfig {
  readonly kernel: PerDimension;
  readonly stride?: PerDimension; // the kernel
  readonly padding?: PerDimension; // on each side, at most half the kernel; 0
  readonly ceilMode?: boolean; // whether a window that is cut off at the end counts; false
}

/** The largest value of each window; padding counts as minus infinity. */
export function maxPool2d(
  x: Tensor,
  { kernel, stride = kernel, padding = 0, dilation = 1, ceilMode = false }: PoolConfig & { dilation?: PerDimension },
): Tensor {
  return x.maxPool2d(kernel, stride, padding, dilation, ceilMode);
}

/** The mean of each window; padding counts as zeros unless `countPadding` is false. */
export function avgPool2d(
  x: Tensor,
  {
    kernel,
    stride = kernel,
    padding = 0,
    ceilMode = false,
    countPadding = true,
  }: PoolConfig & { countPadding?: boolean },
): Tensor {
  return x.avgPool2d(kernel, stride, padding, ceilMode, countPadding);
}

/** Means of windows that cover the map evenly, so that the output has the size that is asked for: [..., H', W']. */
export function adaptiveAvgPool2d(x: Tensor, outputSize: PerDimension): Tensor {
  return x.adaptiveAvgPool2d(outputSize);
}

/** The mean over all spatial dimensions: [B, C, ...] to [B, C]. */
export function globalAvgPool(x: Tensor): Tensor {
  return x.flatten(2).mean([2]);
}

/** The largest value over all spatial dimensions: [B, C, ...] to [B, C]. Equal maxima share the gradient. */
export function globalMaxPool(x: Tensor): Tensor {
  return x.flatten(2).amax([2]);
}
