/**
 * What becomes of each tensor when an encoder takes a file's weights: it is taken as it is, fitted, left out, or in the way.
 *
 * C channels, D width, G and M patches a side, P pixels of a patch side.
 */
import { isFloatingPoint, type Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { resizePositions } from '../models/positionEmbedding.js';
import type { Vit } from '../models/vit.js';

/** What a tensor is to the encoder. */
export type Standing =
  | 'matched' // taken as it is
  | 'adapted' // fitted, so that the encoder computes what the file's does
  | 'missing' // in the encoder only, which keeps what it has
  | 'unexpected' // in the file only, and no part of what it computes
  | 'unfit'; // why the encoder cannot be the file's

/** One tensor of the encoder or of the file, or of both. */
export interface Fitted {
  readonly name: string; // ours
  readonly standing: Standing;
  /** What was done, or what differs. */
  readonly note: string;
  /** What the encoder takes. */
  readonly tensor?: Tensor;
}

/** Of each tensor of the encoder and of the file, what became of it. */
export type EncoderDiff = readonly Omit<Fitted, 'tensor'>[];

/** Every tensor of the encoder, then those that only the file has. The encoder is left as it is. */
export function fitWeights(encoder: Vit, tensors: ReadonlyMap<string, Tensor>): Fitted[] {
  const own = encoder.stateDict();
  const hasLayerScale = [...tensors.keys()].some((name) => IS_LAYER_SCALE.test(name));
  const ofEncoder = [...own].map(([name, wanted]) => {
    const given = tensors.get(name);
    return {
      name,
      ...(given === undefined ? withoutFile(name, wanted, hasLayerScale) : fit(name, given, wanted, encoder)),
    };
  });
  const ofFile = [...tensors].filter(([name]) => !own.has(name));
  return [...ofEncoder, ...ofFile.map(([name, given]) => ({ name, ...withoutEncoder(name, given) }))];
}

type Outcome = Omit<Fitted, 'name'>;

function fit(name: string, given: Tensor, wanted: Tensor, encoder: Vit): Outcome {
  const differing = [...given.shape.keys()].filter((dim) => given.shape[dim] !== wanted.shape[dim]);
  if (isFloatingPoint(given.dtype) && given.rank === wanted.rank) {
    if (differing.length === 0) return { standing: 'matched', note: '', tensor: given };
    const fitted = differing.every((dim) => dim === 1) ? FITS[name]?.(given, wanted, encoder) : undefined;
    if (fitted !== undefined) return { standing: 'adapted', ...fitted };
  }
  return { standing: 'unfit', note: `${described(given)} in the file, ${described(wanted)} in the encoder` };
}

/** How tensors that differ in the second dimension alone are fitted, by name; undefined where it cannot be done. */
const FITS: Readonly<
  Record<string, (given: Tensor, wanted: Tensor, encoder: Vit) => Pick<Fitted, 'tensor' | 'note'> | undefined>
> = {
  /** [1, 1 + M*M, D] to [1, 1 + G*G, D], as the encoder itself does for images of another size. */
  pos_embed(given, _wanted, { gridPatches, positionResize }) {
    const trained = Math.sqrt((given.shape[1] ?? 0) - 1);
    if (!Number.isInteger(trained) || trained < 1) return undefined;
    return {
      tensor: resizePositions(given.to('float32'), gridPatches, positionResize),
      note: `${trained} x ${trained} positions resized to ${gridPatches} x ${gridPatches}`,
    };
  },

  /**
   * [D, C, P, P] to another number of channels: their sum, spread evenly. An image whose channels are equal gives the same embeddings;
   * colours that the weights tell apart are lost.
   */
  'patch_embed.proj.weight'(given, { shape }) {
    const [from, to] = [given.shape[1] ?? 0, shape[1] ?? 1];
    const spread = given.to('float32').sum(1, true).div(to); // [D, 1, P, P]
    return { tensor: spread.expand(shape), note: `${from} channels summed and spread over ${to}` };
  },
};

const IS_LAYER_SCALE = /^blocks\.\d+\.ls[12]\.gamma$/;

function withoutFile(name: string, wanted: Tensor, hasLayerScale: boolean): Outcome {
  if (IS_LAYER_SCALE.test(name) && !hasLayerScale) {
    return { standing: 'adapted', note: 'set to 1: the file has no LayerScale', tensor: torch.onesLike(wanted) };
  }
  if (name === 'mask_token' || name === 'register_tokens') return { standing: 'missing', note: 'kept as it was drawn' };
  return { standing: 'unfit', note: 'not in the file' };
}

// CLIP's have `norm_pre`. A name of Hugging Face's that no table knows is of a network that computes more than ours.
const IS_COMPUTED_WITH =
  /^(cls_token|pos_embed|register_tokens|patch_embed|blocks|norm|norm_pre|encoder\.layer|embeddings(?!\.mask_token))\b/;

function withoutEncoder(name: string, given: Tensor): Outcome {
  if (IS_LAYER_SCALE.test(name) && given.eq(1).all().item() === 1) {
    return { standing: 'unexpected', note: 'a LayerScale of 1, which changes nothing' };
  }
  return IS_COMPUTED_WITH.test(name)
    ? { standing: 'unfit', note: 'not in the encoder' }
    : { standing: 'unexpected', note: 'no part of the encoder' };
}

function described({ dtype, shape }: Tensor): string {
  return `${dtype} [${shape.join(', ')}]`;
}
