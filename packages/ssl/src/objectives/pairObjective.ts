/**
 * What joint-embedding objectives of two views and one vector per image have in common: the views they ask for, the features, the
 * pictures. Each brings its network and its terms.
 *
 * B images, N patches, D features of a part.
 */
import type { Tensor } from '@halfway/torch';
import type { ForwardContext, Module } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import type { DeviceBatch, ViewRequest } from '../data/batch.js';
import type { Adapter } from '../models/adapter.js';
import { encodeViews } from '../models/encodeViews.js';
import type { Encoder } from '../models/encoder.js';
import { entryOf } from '../pairs.js';
import { normalize } from '../transforms/pixels.js';
import type { Advice, Objective } from './objective.js';
import { overUninformed } from './overUninformed.js';
import { splitTokens } from './split.js';
import type { SplitTokens, TokenPart } from './split.js';

export interface PairParts {
  /** Encoder, adapter and heads, by the names under which they are checkpointed. */
  readonly network: Module & { readonly encoder: Encoder; readonly adapter: Adapter };
  /** Weight of each term, the same at every step. */
  readonly weights: Readonly<Record<string, number>>;
  readonly advice: Partial<Advice>;
  /** What terms are for a batch of B images that all have the same embedding, by the terms' names. */
  readonly uninformed: (batch: number) => Readonly<Record<string, number>>;
  /** What of the terms mixes the images of a batch, in words. */
  readonly batchDependent: readonly string[];
  /** What g does to the second view, for an objective that needs to know its theta. */
  readonly transformed?: ViewRequest['transformed'];
  /** The terms of a batch, f32 [], from the features of its two views. */
  readonly terms: (
    features: readonly SplitTokens[],
    batch: DeviceBatch,
    ctx: ForwardContext,
  ) => Readonly<Record<string, Tensor>>;
}

/** The objective of these parts: two views of the size of the model, no state. */
export function pairObjective(
  { model, split }: Pick<Config, 'model' | 'split'>,
  { network, weights, advice, uninformed, batchDependent, transformed, terms }: PairParts,
): Objective {
  const encode = (batch: DeviceBatch, ctx: ForwardContext): SplitTokens[] => {
    const views = batch.views.map(({ images }) => ({ images: normalize(images) }));
    // Batch statistics are a view's own, as in VICReg and SIE (main_vicreg.py; src/models.py).
    const eachAlone = network.encoder.hasBatchNorm && ctx.train;
    return encodeViews(network, views, ctx, { eachAlone }).map((tokens) => splitTokens(tokens, split));
  };
  return {
    advice,
    views: [
      { name: 'v1', sizePx: model.imagePx },
      { name: 'v2', sizePx: model.imagePx, ...(transformed && { transformed }) },
    ],
    network,
    batchDependent: [...batchDependent, ...(network.encoder.hasBatchNorm ? ['the batch norm of the encoder'] : [])],
    weightsAt: () => weights,
    initialState: () => ({}),

    forward(batch, _params, state, ctx) {
      const features = encode(batch, ctx);
      const values = terms(features, batch, ctx);
      const figures = Object.entries(uninformed(batch.indices.length)).map(([name, value]): [string, Tensor] => [
        `${name}OverUninformed`,
        overUninformed(entryOf(values, name), value),
      ]);
      return { terms: values, figures: Object.fromEntries(figures), state, features };
    },

    inspect(batch, _state, ctx) {
      const features = encode(batch, ctx);
      return { figures: {}, features, columns: batch.views.map(({ name, images }) => ({ title: name, images })) };
    },
  };
}

/** One vector per image of a part: the mean of its patch tokens, or its class token; f32 [B, D]. */
export function imageVector({ cls, patches }: TokenPart, pool: Config['vicreg']['pool']): Tensor {
  return pool === 'mean' ? patches.mean([1], false, { dtype: 'float32' }) : cls.to('float32');
}
