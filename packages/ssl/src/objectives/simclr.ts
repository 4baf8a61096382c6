/**
 * SimCLR on the invariant part of the features: NT-Xent between two views' projections.
 * Source: Chen et al. 2020 (arXiv 2002.05709); temperature and projector as SIE's comparison has them (facebookresearch/SIE).
 *
 * B images, D_inv features of the invariant part, E features of the projector.
 */
import type { Generator } from '@halfway/torch';
import { Module } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import { splitDims } from '../config/splitDims.js';
import { Adapter } from '../models/adapter.js';
import { createEncoder } from '../models/createEncoder.js';
import type { Encoder } from '../models/encoder.js';
import { Expander } from '../models/expander.js';
import { pairOf } from '../pairs.js';
import { ntXentLoss } from './ntXent.js';
import type { Objective } from './objective.js';
import { imageVector, pairObjective } from './pairObjective.js';
import { expectTokenSplit } from './split.js';

/** The sections of the configuration that SimCLR reads. */
export type SimclrConfig = Pick<Config, 'model' | 'split' | 'simclr'>;

/** Encoder, adapter and projector, by the names under which they are checkpointed. */
class SimclrNetwork extends Module {
  readonly encoder: Encoder;
  readonly adapter: Adapter;
  readonly projector: Expander;

  constructor(config: SimclrConfig, rng: Generator) {
    super();
    this.encoder = createEncoder(config.model, rng);
    this.adapter = new Adapter(this.encoder.widthDim, config.split, rng);
    this.projector = new Expander(splitDims(config).invariantDim, config.simclr.projector, rng);
  }
}

/**
 * SimCLR as an objective of two views, with the one term `ntXent`. It carries no state.
 * Throws ConfigError when the split or the encoder's shape cannot be.
 */
export function simclr(config: SimclrConfig, rng: Generator): Objective {
  expectTokenSplit(config);
  const { pool, temperature } = config.simclr;
  const network = new SimclrNetwork(config, rng);
  return pairObjective(config, {
    network,
    // A lower temperature pushes images apart that are near already (Wang and Liu 2021, arXiv 2012.09740).
    advice: {
      sameFeatures: 'lower simclr.temperature, or optim.lr',
      fewDirections: 'raise train.batch, or lower simclr.temperature',
      uninformed: { ntXent: 'lower simclr.temperature, or optim.lr' },
    },
    uninformed: (batch) => ({ ntXent: Math.log(2 * batch - 1) }),
    batchDependent: ['ntXent', 'the batch norm of the projector'],
    weights: { ntXent: 1 },
    terms(features, _batch, ctx) {
      const projections = features.map(({ invariant }) => network.projector.forward(imageVector(invariant, pool), ctx));
      const [x, y] = pairOf(projections); // [B, E]
      return { ntXent: ntXentLoss(x, y, temperature) };
    },
  });
}
