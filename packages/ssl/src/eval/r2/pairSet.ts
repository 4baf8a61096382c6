/**
 * The frozen features on which R2 is measured: f(I) once an image, f(g_theta(I)) for each of its thetas.
 * f(I) is stored once and repeated when rows are asked for, so that memory holds n (1 + A) features, not 2 n A.
 *
 * n images, A thetas an image, D features, P parameters.
 */
import { cat, noGrad, scope, tensor, type Tensor } from '@halfway/torch';
import { applyStandard, standardOf } from '../standardize.js';

/** Features and targets of a part; thetas of an image lie next to each other. */
export interface PairSet {
  readonly base: Tensor; // f32 [n, D]
  readonly transformed: Tensor; // f32 [n * A, D]
  readonly target: Tensor; // f32 [n * A, P], scaled to [-1, 1]
  readonly thetasPerImage: number; // A
}

/** Which features a head sees: both, or those of g(I) alone (what can be read without comparing with I). */
export type HeadInput = 'pair' | 'transformed';

/** Width of a row that a head sees. */
export function inputDim(set: PairSet, input: HeadInput): number {
  const dim = set.base.shape[1] ?? 0;
  return input === 'pair' ? 2 * dim : dim;
}

/** The thetas of some images as a set of its own; `images` are positions. */
export function selectImages(set: PairSet, images: Int32Array): PairSet {
  return scope(() => {
    const index = tensor(images); // [m]
    const thetas = set.thetasPerImage;
    const pick = (rows: Tensor): Tensor => {
      const dim = rows.shape[1] ?? 0;
      return rows
        .reshape([-1, thetas * dim])
        .indexSelect(0, index)
        .reshape([-1, dim]);
    };
    return {
      base: set.base.indexSelect(0, index),
      transformed: pick(set.transformed),
      target: pick(set.target),
      thetasPerImage: thetas,
    };
  });
}

/**
 * z-scores every set with the mean and deviation of the first one (the fit part). A feature that is constant there
 * becomes 0 everywhere. z-scoring revives directions of small variance: the report says that it was done.
 */
export function standardizeByFirst(sets: readonly [PairSet, ...PairSet[]]): PairSet[] {
  return scope(() => {
    const base = standardOf(sets[0].base);
    const transformed = standardOf(sets[0].transformed);
    return sets.map((set) => ({
      base: applyStandard(set.base, base),
      transformed: applyStandard(set.transformed, transformed),
      target: set.target,
      thetasPerImage: set.thetasPerImage,
    }));
  });
}

/** Rows of a head's input for `count` images from `first` on: [count * A, inputDim]. */
export function imageRows(set: PairSet, first: number, count: number, input: HeadInput): Tensor {
  const thetas = set.thetasPerImage;
  const transformed = set.transformed.narrow(0, first * thetas, count * thetas);
  if (input === 'transformed') return transformed;
  const dim = set.base.shape[1] ?? 0;
  const base = set.base.narrow(0, first, count).unsqueeze(1).expand([-1, thetas, -1]).reshape([-1, dim]);
  return cat([base, transformed], 1);
}

/** Images whose rows exist at a time outside training. */
const CHUNK_IMAGES = 2048;

/**
 * Calls `visit` with the rows [b * A, F] and targets [b * A, P] of consecutive images, in order, each call in a scope.
 * What `visit` makes is disposed; it adds to tensors or arrays of its own.
 */
export function forEachChunk(set: PairSet, input: HeadInput, visit: (rows: Tensor, target: Tensor) => void): void {
  const numImages = set.base.shape[0] ?? 0;
  const thetas = set.thetasPerImage;
  for (let first = 0; first < numImages; first += CHUNK_IMAGES) {
    const count = Math.min(CHUNK_IMAGES, numImages - first);
    scope(() => {
      noGrad(() => {
        visit(imageRows(set, first, count, input), set.target.narrow(0, first * thetas, count * thetas));
      });
    });
  }
}

/** Rows of a head's input by position among the n * A samples; `samples` int64 [b]. */
export function sampleRows(set: PairSet, samples: Tensor): Tensor {
  const images = samples.floorDivide(set.thetasPerImage);
  return cat([set.base.indexSelect(0, images), set.transformed.indexSelect(0, samples)], 1);
}
