/**
 * The split of features into an invariant and an equivariant part (arXiv 2503.18753v2, section 3; docs/open-points.md, 1 and 2): of the
 * adapter's tokens or the encoder's own, or (dinoNetwork.ts) all of those and further outputs of the head that reads them.
 *
 * B images, N patches, D = D_inv + D_equi features.
 */
import type { Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { expectSplit } from '../config/shapeRules.js';
import { splitDims } from '../config/splitDims.js';
import { ConfigError } from '../errors.js';
import type { AdaptedTokens } from '../models/adapter.js';
import { pairOf } from '../pairs.js';

/** One half of the features: class token and patch tokens. */
export interface TokenPart {
  readonly cls: Tensor; // [B, D_part]
  readonly patches: Tensor; // [B, N, D_part]
}

export interface SplitTokens {
  readonly invariant: TokenPart;
  readonly equivariant: TokenPart;
}

export interface SplitConfig {
  readonly equivariantDim: number; // D_equi
  /** The equivariant part comes first on the feature axis; else the invariant part does. */
  readonly equiFirst: boolean;
}

/**
 * Tokens [..., D] cut on the last axis, without a copy. With D_equi = 0 the equivariant part is empty: nothing may read it.
 * Throws ConfigError unless 0 <= D_equi < D.
 */
export function splitTokens(tokens: AdaptedTokens, { equivariantDim, equiFirst }: SplitConfig): SplitTokens {
  const featureDim = tokens.cls.shape.at(-1) ?? 0;
  expectSplit(featureDim, equivariantDim);
  const invariantDim = featureDim - equivariantDim;
  const cut = (x: Tensor): readonly [Tensor, Tensor] => {
    // One split, so that the backward pass is one concatenation.
    const sizes = equiFirst ? [equivariantDim, invariantDim] : [invariantDim, equivariantDim];
    const [head, tail] = pairOf(x.split(sizes, -1));
    return equiFirst ? [tail, head] : [head, tail];
  };
  const [clsInvariant, clsEquivariant] = cut(tokens.cls);
  const [patchesInvariant, patchesEquivariant] = cut(tokens.patches);
  return {
    invariant: { cls: clsInvariant, patches: patchesInvariant },
    equivariant: { cls: clsEquivariant, patches: patchesEquivariant },
  };
}

/** The equivariant patch tokens [B, N, D_equi] that a task reads; with `broadcast` the class token's part is added to each. */
export function equivariantPatches(
  { equivariant: { cls, patches } }: SplitTokens,
  clsEqui: Config['split']['clsEqui'],
): Tensor {
  return clsEqui === 'broadcast' ? patches.add(cls.unsqueeze(1)) : patches;
}

/**
 * For objectives whose heads see one vector an image, and have no features of patches: throws ConfigError for a split by the head, and for
 * parts that cannot be.
 * @param smallest features of the equivariant part: 1 where the objective reads it
 */
export function expectTokenSplit(config: Pick<Config, 'model' | 'split'>, smallest: 0 | 1 = 0): void {
  const { location, equivariantDim } = config.split;
  if (location === 'head_output') {
    throw new ConfigError(
      `split.location: needs an objective with prototypes, whose head gives features of every patch, got ${location} for one without; ` +
        'use adapter or backbone, or dino, ibot or dinov2',
      'split.location',
    );
  }
  expectSplit(splitDims(config).featureDim, equivariantDim, smallest);
}
