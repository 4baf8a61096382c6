/** The images that encoders take: square, with a side that is a multiple of the patch. */
import type { Tensor } from '@halfway/torch';
import { ConfigError } from '../errors.js';

/**
 * Patches along a side of images [B, 3, S, S], S / P.
 * @param where begins the error's text
 * Throws ConfigError unless they are square and S is a multiple of P.
 */
export function gridOf(where: string, { shape }: Tensor, patchPx: number): number {
  const [, , heightPx = 0, widthPx = 0] = shape;
  expectMultiple(where, heightPx, patchPx);
  if (heightPx !== widthPx) {
    throw new ConfigError(`${where}: images must be square, got ${heightPx} x ${widthPx} px; crop or resize them`);
  }
  return heightPx / patchPx;
}

/** Throws ConfigError, with the nearest sizes that would do, unless the side is a multiple of the patch. */
export function expectMultiple(where: string, imagePx: number, patchPx: number): void {
  if (imagePx > 0 && imagePx % patchPx === 0) return;
  const below = Math.floor(imagePx / patchPx) * patchPx;
  const nearest = below > 0 ? `${below} or ${below + patchPx}` : `${patchPx}`;
  throw new ConfigError(
    `${where}: an image's side must be a multiple of the patch, got ${imagePx} px and patch ${patchPx} px; use ${nearest} px`,
    'model.imagePx',
  );
}
