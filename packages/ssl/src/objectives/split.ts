/**
 * The split of features into an invariant and an equivariant part (paper section 3; recipes E.5-1, E.5-2): of the adapter's tokens, or
 * (dinoNetwork.ts) all of those and further outputs of the head that reads them.
 *
 * B images, N patches, D = D_inv + D_equi features.
 */
import type { Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
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
 * Tokens [..., D] cut on the last axis, without a copy. With D_equi = D the invariant part is empty, which is an error.
 * Throws ConfigError unless 0 < D_equi < D.
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
 * Throws ConfigError unless the features are split at the adapter and both parts hold at least one: for objectives whose heads see one
 * vector an image, and have no features of patches to split.
 */
export function expectAdapterSplit({ location, dim, equivariantDim }: Config['split']): void {
  if (location !== 'adapter') {
    throw new ConfigError(
      `split.location: needs an objective with prototypes, whose head gives features of every patch, got ${location} for one without; ` +
        'use adapter, or dino, ibot or dinov2',
      'split.location',
    );
  }
  expectSplit(dim, equivariantDim);
}

/** Throws ConfigError unless both parts of the split hold at least one feature. */
export function expectSplit(featureDim: number, equivariantDim: number): void {
  if (equivariantDim > 0 && equivariantDim < featureDim) return;
  throw new ConfigError(
    `split.equivariantDim: must lie between 1 and split.dim - 1, got ${equivariantDim} of ${featureDim}; ` +
      `use ${Math.max(1, Math.floor(featureDim / 2))} or raise split.dim`,
    'split.equivariantDim',
  );
}
