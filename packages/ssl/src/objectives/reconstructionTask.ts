/**
 * What the reconstruction task is made of, shared by its loss (reconstruct.ts) and its report: the options, the targets
 * of a batch, and the decoders applied to the features of two views.
 *
 * B images, N patches, E equivariant features, S pixels a side, K intermediate states.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import type { ForwardContext } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import type { DeviceBatch } from '../data/batch.js';
import { Decoder } from '../models/decoder.js';
import { createFusion } from '../models/fusion.js';
import type { Fusion } from '../models/fusion.js';
import { pairOf } from '../pairs.js';
import { validRegion } from '../transforms/path.js';
import type { Transformation } from '../transforms/transformation.js';
import { reconstructionLoss } from './reconstructionLoss.js';
import { equivariantPatches } from './split.js';
import type { SplitTokens } from './split.js';
import { toTargetSpace } from './targetSpace.js';
import { pathOf } from './transformedPair.js';

export interface ReconstructionOptions extends Omit<Config['recon'], 'target' | 'of'> {
  readonly transformation: Transformation;
  readonly decoder: Pick<Config['decoder'], 'kind' | 'channels' | 'activation'>;
  readonly clsEqui: Config['split']['clsEqui'];
  readonly equivariantDim: number; // E
  readonly patchPx: number;
  readonly sizePx: number; // S
}

/** The images to reconstruct in a batch: u_1 .. u_K, and v2 with `includeFinal`. */
export interface Targets {
  readonly titles: readonly string[];
  readonly rgb: readonly Tensor[]; // each f32 [B, 3, S, S] in [0, 1]
  /** The same in the space of the loss. */
  readonly wanted: readonly Tensor[];
  /** Pixels from inside the photo, each f32 [B, 1, S, S] of 1 and 0; absent where every pixel is. */
  readonly valid: readonly Tensor[] | undefined;
}

/** What loss and inspection share: the options, what joins the two views' features, and one decoder per target. */
export interface ReconstructionTask {
  readonly options: ReconstructionOptions;
  readonly fusion: Fusion;
  readonly decoders: readonly Decoder[];
}

/** Independent decoders. Throws ConfigError when their shape cannot be. */
export function createTask(options: ReconstructionOptions, rng: Generator): ReconstructionTask {
  const { sizePx, patchPx, equivariantDim, concat, intermediates, includeFinal } = options;
  const config = { ...options.decoder, concat, equivariantDim, gridPatches: sizePx / patchPx, patchPx, sizePx };
  const numTargets = intermediates + (includeFinal ? 1 : 0);
  return {
    options,
    fusion: createFusion(options, rng),
    decoders: Array.from({ length: numTargets }, () => new Decoder(config, rng)),
  };
}

/** D_k of the joined equivariant features of v1 and v2, each f32 [B, 3, S, S]. */
export function decode(
  { decoders, fusion, options }: ReconstructionTask,
  features: readonly [SplitTokens, SplitTokens],
  ctx: ForwardContext,
): Tensor[] {
  const [z1, z2] = pairOf(features.map((tokens) => equivariantPatches(tokens, options.clsEqui))); // [B, N, E]
  const joined = fusion.forward(z1, z2, ctx);
  return decoders.map((decoder) => torch.scope(() => decoder.forward(joined, ctx)));
}

/** The targets of a batch. Throws Error when the batch brings no path. */
export function targetsOf(batch: DeviceBatch, options: ReconstructionOptions): Targets {
  const { transformation, fill, includeFinal, space, patchPx } = options;
  const { path, view } = pathOf(batch);
  const rgb = includeFinal ? [...path.states, view.images] : path.states;
  const [, , sidePx = 0] = view.images.shape;
  const titles = path.states.map((_, k) => `u${k + 1}`);
  // Known from the options, so that no step has to ask the device.
  const showsOutside = transformation.geometric && fill !== 'content';
  const last = includeFinal && showsOutside ? [validRegion(transformation, path.theta, view.images, sidePx)] : [];
  return {
    titles: includeFinal ? [...titles, view.name] : titles,
    rgb,
    wanted: rgb.map((images) => toTargetSpace(images, space, patchPx)),
    valid: showsOutside ? [...path.valid, ...last] : undefined,
  };
}

/** The term `recon`: the loss of decoded images against the targets, under the options' reduction and mask. */
export function reconstructionTerm(
  decoded: readonly Tensor[],
  { wanted, valid }: Targets,
  { reduction, maskOutside }: ReconstructionOptions,
): Tensor {
  return reconstructionLoss(decoded, wanted, { reduction, ...(maskOutside && valid && { valid }) });
}
