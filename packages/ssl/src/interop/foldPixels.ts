/** Weights of a network whose images are normalised otherwise than ours, as weights for ours. */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { PIXEL_MEAN, PIXEL_STD } from '../config/pixelStatistics.js';
import type { PixelSettings } from './toldSettings.js';

/** Whether images of these statistics are other than ours. */
export function hasOtherPixels({ mean, std }: PixelSettings): boolean {
  return mean.some((value, c) => value !== PIXEL_MEAN[c]) || std.some((value, c) => value !== PIXEL_STD[c]);
}

const WEIGHT = 'patch_embed.proj.weight'; // [D, 3, P, P]
const BIAS = 'patch_embed.proj.bias'; // [D]

/**
 * Puts the patch embedding for our pixels, in f32, in the place of that for theirs: of x = (p - m) / s and x' = (p - m') / s',
 * x' = x s / s' + (m - m') / s', so that
 *
 *     W'_c = W_c s_c / s'_c      b' = b + sum_c (m_c - m'_c) / s'_c sum_ij W_cij
 *
 * gives for x what W and b give for x'. Exact, since patches have no border that is filled with zeros.
 * @param tensors of a vision transformer, under our names
 * @returns whether it was done: other networks, and those of other channels, stay as they are
 */
export function foldPixels(tensors: Map<string, Tensor>, { mean, std }: PixelSettings): boolean {
  const [weight, bias] = [tensors.get(WEIGHT), tensors.get(BIAS)];
  if (weight?.rank !== 4 || weight.shape[1] !== 3 || bias === undefined) return false;
  const perChannel = (of: (c: number) => number): Tensor =>
    torch.tensor(PIXEL_MEAN.map((_, c) => of(c))).reshape([1, 3, 1, 1]);
  const at = (values: readonly number[], c: number): number => values[c] ?? NaN;
  const folded = torch.scope(() => {
    const kernel = weight.to('float32');
    const scale = perChannel((c) => at(PIXEL_STD, c) / at(std, c));
    const shift = perChannel((c) => (at(PIXEL_MEAN, c) - at(mean, c)) / at(std, c));
    return { weight: kernel.mul(scale), bias: bias.to('float32').add(kernel.mul(shift).sum([1, 2, 3])) };
  });
  for (const replaced of [weight, bias]) replaced.dispose();
  tensors.set(WEIGHT, folded.weight).set(BIAS, folded.bias);
  return true;
}
