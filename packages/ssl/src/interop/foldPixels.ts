/** Weights of a network whose images are normalised otherwise than ours, as weights for ours. */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { PIXEL_MEAN, PIXEL_STD } from '../config/pixelStatistics.js';
import type { PixelSettings } from './toldSettings.js';

/** Whether images of these statistics are other than ours. */
export function hasOtherPixels({ mean, std }: PixelSettings): boolean {
  return mean.some((value, c) => value !== PIXEL_MEAN[c]) || std.some((value, c) => value !== PIXEL_STD[c]);
}

/**
 * The patch embedding for our pixels: of x = (p - m) / s and theirs x' = (p - m') / s', x' = x s / s' + (m - m') / s', so that
 *
 *     W'_c = W_c s_c / s'_c      b' = b + sum_c (m_c - m'_c) / s'_c sum_ij W_cij
 *
 * gives for x what W and b give for x'. Exact, since patches have no border that is filled with zeros.
 * @param weight [D, 3, P, P]
 * @param bias [D]
 * @returns both in f32
 */
export function foldPixels(
  weight: Tensor,
  bias: Tensor,
  { mean, std }: PixelSettings,
): { weight: Tensor; bias: Tensor } {
  const perChannel = (of: (c: number) => number): Tensor =>
    torch.tensor(PIXEL_MEAN.map((_, c) => of(c))).reshape([1, 3, 1, 1]);
  const at = (values: readonly number[], c: number): number => values[c] ?? NaN;
  const kernel = weight.to('float32');
  const scale = perChannel((c) => at(PIXEL_STD, c) / at(std, c));
  const shift = perChannel((c) => (at(PIXEL_MEAN, c) - at(mean, c)) / at(std, c));
  return { weight: kernel.mul(scale), bias: bias.to('float32').add(kernel.mul(shift).sum([1, 2, 3])) };
}
