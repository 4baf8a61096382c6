/** How wide the features are that are split, and the part that an objective's loss reads. */
import { RESNET18_WIDTH_DIM, VIT_SIZES } from './encoderSizes.js';
import type { Config } from './schema.js';

export interface SplitDims {
  /** d: the adapter's features, or the encoder's own where there is none. */
  readonly featureDim: number;
  /** Those that are the invariant part: all of them where the equivariant part is the head's. */
  readonly invariantDim: number;
}

export function splitDims({ model, split }: Pick<Config, 'model' | 'split'>): SplitDims {
  const { location, dim, equivariantDim } = split;
  const featureDim = location === 'adapter' ? dim : widthDim(model);
  return { featureDim, invariantDim: location === 'head_output' ? featureDim : featureDim - equivariantDim };
}

/** D, the width of the encoder's tokens. */
function widthDim({ kind, size, widthDim }: Config['model']): number {
  if (kind === 'resnet18') return RESNET18_WIDTH_DIM;
  return size === 'custom' ? widthDim : VIT_SIZES[size].widthDim;
}
