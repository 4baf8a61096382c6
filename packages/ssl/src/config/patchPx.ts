/** The one number of an encoder's shape that the rest of the program needs before there is an encoder. */
import type { Config } from './schema.js';

/**
 * Side in pixels of the square that a patch token stands for: the patch of a vision transformer, the total stride of a ResNet. The grid
 * has `model.imagePx` over it tokens a side.
 */
export function patchPx({ kind, patch, resnet }: Config['model']): number {
  if (kind === 'vit') return patch;
  return resnet.stem === 'small' ? 8 : 32;
}
