/** The images that encoders take: square, with a side that is a multiple of the patch. */
import type { Tensor } from '@halfway/torch';
import { expectMultiple } from '../config/shapeRules.js';
import { ConfigError } from '../errors.js';

/**
 * Patches along a side of images [B, 3, S, S], S / P.
 * @param where begins the error's text
 * @throws ConfigError unless they are square and S is a multiple of P
 */
export function gridOf(where: string, { shape }: Tensor, patchPx: number): number {
  const [, , heightPx = 0, widthPx = 0] = shape;
  expectMultiple(`${where}: the side of images`, heightPx, patchPx);
  if (heightPx !== widthPx) {
    throw new ConfigError(`${where}: images must be square, got ${heightPx} x ${widthPx} px; crop or resize them`);
  }
  return heightPx / patchPx;
}
