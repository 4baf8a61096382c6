/**
 * What becomes of each tensor when an encoder takes a file's weights: it is taken as it is, fitted, left out, or in the way.
 *
 * C channels, D width, G and M patches a side, P pixels of a side of the first convolution's kernel.
 */
import { isFloatingPoint, type Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { resizePositions } from '../models/positionEmbedding.js';
import { Resnet18 } from '../models/resnet.js';
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
export function fitWeights(encoder: Vit | Resnet18, tensors: ReadonlyMap<string, Tensor>): Fitted[] {
  const own = encoder.stateDict();
  const rules = encoder instanceof Resnet18 ? RESNET : ofVit(encoder);
  const hasLayerScale = [...tensors.keys()].some((name) => IS_LAYER_SCALE.test(name));
  const ofEncoder = [...own].map(([name, wanted]) => {
    const given = tensors.get(name);
    return {
      name,
      ...(given === undefined ? withoutFile(name, wanted, rules, hasLayerScale) : fit(name, given, wanted, rules)),
    };
  });
  const ofFile = [...tensors].filter(([name]) => !own.has(name));
  return [...ofEncoder, ...ofFile.map(([name, given]) => ({ name, ...withoutEncoder(name, given, rules) }))];
}

type Outcome = Omit<Fitted, 'name'>;

function fit(name: string, given: Tensor, wanted: Tensor, { fits }: Rules): Outcome {
  const differing = [...given.shape.keys()].filter((dim) => given.shape[dim] !== wanted.shape[dim]);
  const isOfKind = given.dtype === wanted.dtype || [given, wanted].every(({ dtype }) => isFloatingPoint(dtype));
  if (isOfKind && given.rank === wanted.rank) {
    if (differing.length === 0) return { standing: 'matched', note: '', tensor: given };
    const fitted = differing.every((dim) => dim === 1) ? fits[name]?.(given, wanted) : undefined;
    if (fitted !== undefined) return { standing: 'adapted', ...fitted };
  }
  return { standing: 'unfit', note: `${described(given)} in the file, ${described(wanted)} in the encoder` };
}

/** What is particular to a kind of encoder. */
interface Rules {
  /** How tensors that differ in the second dimension alone are fitted, by name; undefined where it cannot be done. */
  readonly fits: Readonly<Record<string, (given: Tensor, wanted: Tensor) => Fitting | undefined>>;
  /** Names of tensors that a file need not have. */
  readonly spare: RegExp;
  /** Names of tensors that change what is computed. */
  readonly computedWith: RegExp;
}

type Fitting = Pick<Fitted, 'tensor' | 'note'>;

function ofVit({ gridPatches, positionResize }: Vit): Rules {
  return {
    fits: {
      /** [1, 1 + M*M, D] to [1, 1 + G*G, D], as the encoder itself does for images of another size. */
      pos_embed(given) {
        const trained = Math.sqrt((given.shape[1] ?? 0) - 1);
        if (!Number.isInteger(trained) || trained < 1) return undefined;
        return {
          tensor: resizePositions(given.to('float32'), gridPatches, positionResize),
          note: `${trained} x ${trained} positions resized to ${gridPatches} x ${gridPatches}`,
        };
      },
      'patch_embed.proj.weight': spreadChannels,
    },
    spare: /^(mask_token|register_tokens)$/,
    // CLIP's have `norm_pre`. A name of Hugging Face's that no table knows is of a network that computes more than ours.
    computedWith:
      /^(cls_token|pos_embed|register_tokens|patch_embed|blocks|norm|norm_pre|encoder\.layer|embeddings(?!\.mask_token))\b/,
  };
}

const RESNET: Rules = {
  fits: { 'conv1.weight': spreadChannels },
  spare: /\.num_batches_tracked$/, // files of before PyTorch 0.4.1 have none, and nothing is computed with it
  computedWith: /^(conv1|bn1|layer\d+)\./,
};

/**
 * The kernel [D, C, P, P] of a first convolution to another number of channels: their sum, spread evenly. An image whose channels are
 * equal gives the same features; colours that the weights tell apart are lost.
 */
function spreadChannels(given: Tensor, { shape }: Tensor): Fitting {
  const [from, to] = [given.shape[1] ?? 0, shape[1] ?? 1];
  const spread = given.to('float32').sum(1, true).div(to); // [D, 1, P, P]
  return { tensor: spread.expand(shape), note: `${from} channels summed and spread over ${to}` };
}

const IS_LAYER_SCALE = /^blocks\.\d+\.ls[12]\.gamma$/;

function withoutFile(name: string, wanted: Tensor, { spare }: Rules, hasLayerScale: boolean): Outcome {
  if (IS_LAYER_SCALE.test(name) && !hasLayerScale) {
    return { standing: 'adapted', note: 'set to 1: the file has no LayerScale', tensor: torch.onesLike(wanted) };
  }
  if (spare.test(name)) return { standing: 'missing', note: 'kept as it was drawn' };
  return { standing: 'unfit', note: 'not in the file' };
}

function withoutEncoder(name: string, given: Tensor, { computedWith }: Rules): Outcome {
  if (IS_LAYER_SCALE.test(name) && given.eq(1).all().item() === 1) {
    return { standing: 'unexpected', note: 'a LayerScale of 1, which changes nothing' };
  }
  return computedWith.test(name)
    ? { standing: 'unfit', note: 'not in the encoder' }
    : { standing: 'unexpected', note: 'no part of the encoder' };
}

function described({ dtype, shape }: Tensor): string {
  return `${dtype} [${shape.join(', ')}]`;
}
