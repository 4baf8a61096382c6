/**
 * VICReg on the invariant part of the features: invariance + variance + covariance of two views' embeddings.
 * Source: Bardes, Ponce, LeCun 2022 (arXiv 2105.04906), equations 1 to 6, and facebookresearch/vicreg main_vicreg.py.
 *
 * B images, N patches, d features of the invariant part, E features of the expander.
 */
import type { Generator, Tensor } from '@halfway/torch';
import { Module } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import { splitDims } from '../config/splitDims.js';
import { Adapter } from '../models/adapter.js';
import { createEncoder } from '../models/createEncoder.js';
import type { Encoder } from '../models/encoder.js';
import { Expander } from '../models/expander.js';
import { pairOf } from '../pairs.js';
import { expectPairs } from './expectShapes.js';
import type { Objective } from './objective.js';
import { imageVector, pairObjective } from './pairObjective.js';
import { expectTokenSplit } from './split.js';
import type { SplitTokens } from './split.js';

// Inside the square root of the variance term. Source: main_vicreg.py; the paper's 1e-4.
const VARIANCE_EPS = 1e-4;

/** v(Z) where all rows of Z are the same. */
export const LARGEST_VARIANCE_TERM = 1 - Math.sqrt(VARIANCE_EPS);

/** s(X, Y) = mean over B and E of (x - y)^2, f32 []. X and Y are f32 [B, E]. */
export function invariance(x: Tensor, y: Tensor): Tensor {
  return x.mseLoss(y);
}

/** v(Z) = 1/E sum_j max(0, 1 - sqrt(Var(z_j) + 1e-4)) with the unbiased variance over the batch, f32 []. Z is f32 [B, E]. */
export function variance(z: Tensor): Tensor {
  const std = z.var([0]).add(VARIANCE_EPS).sqrt(); // [E]
  return std.neg().add(1).relu().mean();
}

/** c(Z) = 1/E sum_{i != j} C_ij^2 with C = Zc^T Zc / (B - 1), Zc the centred Z, f32 []. Z is f32 [B, E]. */
export function covariance(z: Tensor): Tensor {
  const [batch = 0, width = 0] = z.shape;
  const centred = z.sub(z.mean([0], true));
  const matrix = centred
    .t()
    .matmul(centred)
    .div(batch - 1); // [E, E]
  const squares = matrix.mul(matrix);
  return squares.sum().sub(squares.diagonal().sum()).div(width);
}

export interface VicregTerms {
  readonly invariance: Tensor;
  readonly variance: Tensor; // mean of both views'
  readonly covariance: Tensor; // sum of both views'
}

/**
 * The three terms of two views' embeddings, unweighted, each f32 []: s(X, Y), (v(X) + v(Y)) / 2 and c(X) + c(Y), as main_vicreg.py has them.
 * @param x embeddings of the first views, f32 [B, E]
 * @param y those of the second views of the same images, f32 [B, E]
 * @throws ShapeError unless x and y have one shape and B is at least 2
 */
export function vicregTerms(x: Tensor, y: Tensor): VicregTerms {
  expectPairs('vicregTerms', x, y);
  return {
    invariance: invariance(x, y),
    variance: variance(x).add(variance(y)).div(2),
    covariance: covariance(x).add(covariance(y)),
  };
}

/** Factors of the three terms. */
export type VicregWeights = Readonly<Record<keyof VicregTerms, number>>;

/**
 * The three terms of `vicregTerms`, each times its weight, summed: f32 []. Variance and covariance are those of the batch: the loss of a
 * batch is not the mean of the losses of its parts.
 * @param x embeddings of the first views, f32 [B, E]
 * @param y those of the second views of the same images, f32 [B, E]
 * @param weights 25, 25, 1 in VICReg; 10, 10, 1 in SIE's comparison
 * @throws ShapeError unless x and y have one shape and B is at least 2
 */
export function vicregLoss(x: Tensor, y: Tensor, weights: VicregWeights): Tensor {
  const terms = vicregTerms(x, y);
  return terms.invariance
    .mul(weights.invariance)
    .add(terms.variance.mul(weights.variance))
    .add(terms.covariance.mul(weights.covariance));
}

/** Encoder, adapter and expander, by the names under which they are checkpointed. */
class VicregNetwork extends Module {
  readonly encoder: Encoder;
  readonly adapter: Adapter;
  readonly expander: Expander;

  constructor(config: VicregConfig, rng: Generator) {
    super();
    this.encoder = createEncoder(config.model, rng);
    this.adapter = new Adapter(this.encoder.widthDim, config.split, rng);
    this.expander = new Expander(splitDims(config).invariantDim, config.vicreg.expander, rng);
  }
}

/** The sections of the configuration that VICReg reads. */
export type VicregConfig = Pick<Config, 'model' | 'split' | 'vicreg'>;

/**
 * VICReg as an objective of two views. Terms: invariance, variance, covariance; with `regularizeEqui` also
 * equiVariance and equiCovariance, on the pooled equivariant part itself. It carries no state.
 * Throws ConfigError when the split or the encoder's shape cannot be.
 */
export function vicreg(config: VicregConfig, rng: Generator): Objective {
  const { pool, regularizeEqui, ...weights } = config.vicreg;
  expectTokenSplit(config, regularizeEqui ? 1 : 0);
  const network = new VicregNetwork(config, rng);
  return pairObjective(config, {
    network,
    advice: {
      sameFeatures: 'raise vicreg.variance, or lower optim.lr',
      fewDirections: 'raise vicreg.covariance, or train.batch',
      uninformed: { variance: 'raise vicreg.variance, or lower vicreg.invariance' },
    },
    uninformed: () => ({ variance: LARGEST_VARIANCE_TERM }),
    batchDependent: ['variance', 'covariance', 'the batch norm of the expander'],
    weights: {
      invariance: weights.invariance,
      variance: weights.variance,
      covariance: weights.covariance,
      ...(regularizeEqui && { equiVariance: weights.variance, equiCovariance: weights.covariance }),
    },
    terms(features, _batch, ctx) {
      const embeddings = features.map(({ invariant }) => network.expander.forward(imageVector(invariant, pool), ctx));
      const [x, y] = pairOf(embeddings); // [B, E]
      return { ...vicregTerms(x, y), ...(regularizeEqui && equivariantTerms(features, pool)) };
    },
  });
}

/** Variance and covariance of the pooled equivariant parts, so that they do not collapse when nothing else reads them. */
function equivariantTerms(
  features: readonly SplitTokens[],
  pool: Config['vicreg']['pool'],
): { readonly equiVariance: Tensor; readonly equiCovariance: Tensor } {
  const [x, y] = pairOf(features.map(({ equivariant }) => imageVector(equivariant, pool))); // [B, D_equi]
  const terms = vicregTerms(x, y);
  return { equiVariance: terms.variance, equiCovariance: terms.covariance };
}
