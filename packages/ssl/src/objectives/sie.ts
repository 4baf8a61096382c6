/**
 * SIE: the invariant part of the features is the same in both views, and the equivariant part of the second is predicted from that of
 * the first and theta. Source: Garrido, Najman, LeCun 2023 (arXiv 2302.10283), and facebookresearch/SIE src/models.py, class SIE.
 *
 * Deviates from the paper, which turns objects in space: theta is that of g between v1 = A1(I) and v2 = g_theta(A2(I)), and the code
 * that the hypernetwork reads is (1, theta), each parameter over the largest magnitude of its range (transforms/scaledTheta.ts). The
 * 1 stands for the real part of the paper's unit quaternion, without which the identity would have W = 0.
 *
 * B images, D features of the adapter, E features of an expander, Z = 1 + P numbers of the code.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { Module } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import { splitDims } from '../config/splitDims.js';
import { Adapter } from '../models/adapter.js';
import { createEncoder } from '../models/createEncoder.js';
import type { Encoder } from '../models/encoder.js';
import { Expander } from '../models/expander.js';
import { Hypernetwork } from '../models/hypernetwork.js';
import { pairOf } from '../pairs.js';
import { createTransformation } from '../transforms/createTransformation.js';
import { scaledTheta } from '../transforms/scaledTheta.js';
import { expectPairs } from './expectShapes.js';
import type { Objective } from './objective.js';
import { imageVector, pairObjective } from './pairObjective.js';
import { expectTokenSplit } from './split.js';
import { pathOf } from './transformedPair.js';
import { covariance, invariance, LARGEST_VARIANCE_TERM, variance } from './vicreg.js';

/** Embeddings of one view, each f32 [B, E]. */
export interface SieEmbeddings {
  readonly invariant: Tensor;
  readonly equivariant: Tensor;
}

export interface SieTerms {
  readonly invariance: Tensor;
  readonly equivariance: Tensor;
  readonly variance: Tensor;
  readonly covariance: Tensor;
  readonly predictionVariance: Tensor;
}

/**
 * SIE's five terms, unweighted, each f32 []: mean squared error of the invariant embeddings, and of the prediction against the second
 * view's equivariant ones; VICReg's variance and covariance of [invariant ; equivariant], so that the parts do not repeat each
 * other; half the variance term of the prediction.
 * @param x embeddings of the first views
 * @param y those of the second views, g_theta of the same images
 * @param predicted y's equivariant embeddings as they follow from x's and theta, f32 [B, E]
 * @throws ShapeError unless what is compared has one shape and B is at least 2
 */
export function sieTerms(x: SieEmbeddings, y: SieEmbeddings, predicted: Tensor): SieTerms {
  expectPairs('sieTerms', x.invariant, y.invariant);
  expectPairs('sieTerms', x.equivariant, y.equivariant);
  expectPairs('sieTerms', predicted, y.equivariant);
  const [wholeX, wholeY] = pairOf([x, y].map(({ invariant, equivariant }) => torch.cat([invariant, equivariant], 1)));
  return {
    invariance: invariance(x.invariant, y.invariant),
    equivariance: invariance(predicted, y.equivariant),
    variance: variance(wholeX).add(variance(wholeY)).div(2),
    covariance: covariance(wholeX).add(covariance(wholeY)),
    predictionVariance: variance(predicted).div(2),
  };
}

/** Factors of the five terms; those of SIE, in its README: 10, 4.5, 10, 1, and for `predictionVariance` 10, or 0 in SIENoVar. */
export type SieWeights = Readonly<Record<keyof SieTerms, number>>;

/**
 * The five terms of `sieTerms`, each times its weight, summed: f32 []. Variance and covariance are those of the batch: the loss of a batch
 * is not the mean of the losses of its parts.
 * @param x embeddings of the first views
 * @param y those of the second views, g_theta of the same images
 * @param predicted y's equivariant embeddings as they follow from x's and theta, f32 [B, E]
 * @throws ShapeError unless what is compared has one shape and B is at least 2
 */
export function sieLoss(x: SieEmbeddings, y: SieEmbeddings, predicted: Tensor, weights: SieWeights): Tensor {
  const terms = sieTerms(x, y, predicted);
  return terms.invariance
    .mul(weights.invariance)
    .add(terms.equivariance.mul(weights.equivariance))
    .add(terms.variance.mul(weights.variance))
    .add(terms.covariance.mul(weights.covariance))
    .add(terms.predictionVariance.mul(weights.predictionVariance));
}

/** The sections of the configuration that SIE reads. */
export type SieConfig = Pick<Config, 'model' | 'split' | 'transform' | 'sie'>;

/** Encoder, adapter, an expander for each part and the predictor, by the names under which they are checkpointed. */
class SieNetwork extends Module {
  readonly encoder: Encoder;
  readonly adapter: Adapter;
  readonly invariantExpander: Expander;
  readonly equivariantExpander: Expander;
  readonly predictor: Hypernetwork;

  constructor(config: SieConfig, codeDim: number, rng: Generator) {
    super();
    const { model, split, sie } = config;
    const { featureDim, invariantDim } = splitDims(config);
    // Each expander has the share of the widths that its part has of the features.
    const expander = (partDim: number): Expander =>
      new Expander(
        partDim,
        sie.expander.map((width) => Math.max(1, Math.round((width * partDim) / featureDim))),
        rng,
      );
    this.encoder = createEncoder(model, rng);
    this.adapter = new Adapter(this.encoder.widthDim, split, rng);
    this.invariantExpander = expander(invariantDim);
    this.equivariantExpander = expander(split.equivariantDim);
    const embeddingDim = this.equivariantExpander.linears.at(-1)?.weight.shape[0] ?? 0;
    this.predictor = new Hypernetwork(embeddingDim, codeDim, sie.predictor === 'deep' ? 2 : 0, rng);
  }
}

/**
 * SIE as an objective of two views, the second transformed by `sie.target`. Terms: those of `sieTerms`; without
 * `regularizePrediction` (the reference's SIENoVar) not the last. It carries no state.
 * Throws ConfigError when the split or the encoder's shape cannot be.
 */
export function sie(config: SieConfig, rng: Generator): Objective {
  expectTokenSplit(config, 1);
  const { target, fill, pool, regularizePrediction, ...weights } = config.sie;
  const transformation = createTransformation(target, config.transform, config.model.imagePx);
  const { parameters } = transformation;
  const network = new SieNetwork(config, 1 + parameters.length, rng);
  return pairObjective(config, {
    network,
    advice: {
      sameFeatures: 'raise sie.variance, or lower optim.lr',
      fewDirections: 'raise sie.covariance, or train.batch',
      uninformed: { variance: 'raise sie.variance, or lower sie.invariance and sie.equivariance' },
    },
    uninformed: () => ({ variance: LARGEST_VARIANCE_TERM }),
    batchDependent: ['variance', 'covariance', 'the batch norm of the expanders'],
    transformed: { transformation, intermediates: 0, fill, sharedCrop: false },
    weights: {
      invariance: weights.invariance,
      equivariance: weights.equivariance,
      variance: weights.variance,
      covariance: weights.covariance,
      ...(regularizePrediction && { predictionVariance: weights.variance }),
    },
    terms(features, batch, ctx) {
      const embeddings = features.map(({ invariant, equivariant }): SieEmbeddings => ({
        invariant: network.invariantExpander.forward(imageVector(invariant, pool), ctx),
        equivariant: network.equivariantExpander.forward(imageVector(equivariant, pool), ctx),
      }));
      const [x, y] = pairOf(embeddings);
      const theta = scaledTheta(pathOf(batch).path.theta, parameters); // [B, P]
      const code = torch.cat([torch.onesLike(theta.narrow(1, 0, 1)), theta], 1); // [B, Z]
      const predicted = network.predictor.forward(x.equivariant, code, ctx);
      const { predictionVariance, ...terms } = sieTerms(x, y, predicted);
      return { ...terms, ...(regularizePrediction && { predictionVariance }) };
    },
  });
}
