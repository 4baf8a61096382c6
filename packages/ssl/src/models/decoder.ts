/**
 * Decoders D_k: equivariant features of both views to one image. One linear layer and four convolutions (paper 3.2);
 * everything else about them is our design (docs/open-points.md, 21). Discarded after pretraining.
 *
 * Channels C0 -> C0/2 -> C0/4 -> C0/8 -> 3, an activation after the first three, none after the last. Maps are kept
 * channels-last: that is how the linear layer's rows already lie in memory, and convolutions are as fast or faster there.
 *
 * B images, N = G * G patches, E equivariant features, S output side, C0 channels after the linear layer.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { Conv2d, ConvTranspose2d, init, Linear, Module } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import { expectDecoderChannels } from '../config/shapeRules.js';
import { zip } from '../pairs.js';

export interface DecoderConfig {
  readonly kind: Config['decoder']['kind'];
  readonly channels: number; // C0
  readonly activation: Config['decoder']['activation'];
  readonly concat: Config['recon']['concat'];
  readonly equivariantDim: number; // E
  readonly gridPatches: number; // G
  readonly patchPx: number;
  readonly sizePx: number; // S
}

/** Maps of `global` begin with this side: 7 * 2^4 = 112, then a resize. */
export const GLOBAL_SIDE = 7;

/** What one of the four convolutions does to the side of its map. */
type Stage = 'flat' | 'transposed' | 'nearest';

/** How many of the four stages, the last ones, double the side of the map. */
export function numDoublings(kind: DecoderConfig['kind'], patchPx: number): number {
  return kind === 'global' ? 4 : Math.min(4, Math.ceil(Math.log2(patchPx)));
}

/** Four stages that grow the side by P (at most 16). */
function stagesOf({ kind, patchPx }: DecoderConfig): Stage[] {
  const doublings = numDoublings(kind, patchPx);
  const double: Stage = kind === 'conv_upsample' ? 'nearest' : 'transposed';
  return Array.from({ length: 4 }, (_, i) => (i >= 4 - doublings ? double : 'flat'));
}

/** The four convolutions. */
function createConvs(stages: readonly Stage[], channels: number, rng: Generator): (Conv2d | ConvTranspose2d)[] {
  const plan = [channels, channels / 2, channels / 4, channels / 8, 3];
  return zip(stages, zip(plan.slice(0, -1), plan.slice(1))).map(([stage, [from, to]], i) => {
    const gain = i < stages.length - 1 ? Math.SQRT2 : 1; // the activation halves the second moment
    return stage === 'transposed'
      ? keepScale(new ConvTranspose2d(from, to, { kernel: 4, stride: 2, padding: 1 }, rng), 4 * from, gain, rng)
      : keepScale(new Conv2d(from, to, { kernel: 3, padding: 1 }, rng), 9 * from, gain, rng);
  });
}

/**
 * Starts a layer with weights N(0, gain^2 / numInputs) and no bias, so that its output has gain^2 times the second moment of its input
 * (He et al. 2015). With PyTorch's default a hundredth of the signal is left after five layers, and as little of the gradient on its way
 * to the encoder: the features learn next to nothing from the decoders in the first thousand steps (docs/log.md).
 *
 * @param numInputs values that one output sums over
 */
function keepScale<T extends Linear | Conv2d | ConvTranspose2d>(
  layer: T,
  numInputs: number,
  gain: number,
  rng: Generator,
): T {
  torch.noGrad(() => {
    init.normal_(layer.weight, gain / Math.sqrt(numInputs), rng);
    layer.bias?.zero_();
  });
  return layer;
}

/** [B, C, side, side] to [B, C, 2 side, 2 side], every pixel four times. */
function doubleNearest(map: Tensor): Tensor {
  const [, , height = 0, width = 0] = map.shape;
  return map.upsampleNearest2d([2 * height, 2 * width]);
}

/**
 * `token_grid` and `conv_upsample`: linear per token -> grid of tokens -> convolutions; with `token`, one linear map serves both views'
 * tokens. `global`: mean over tokens -> linear -> 7 x 7 map -> 112 x 112 -> resize, with no pairing of tokens between the two crops.
 */
export class Decoder extends Module {
  readonly linear: Linear;
  readonly convs: (Conv2d | ConvTranspose2d)[];
  readonly config: DecoderConfig;
  readonly stages: readonly Stage[];

  /** Throws ConfigError when C0 is no multiple of 8. */
  constructor(config: DecoderConfig, rng: Generator) {
    super();
    const { channels, concat, equivariantDim } = config;
    expectDecoderChannels(channels);
    this.config = config;
    this.stages = stagesOf(config);
    const inDim = concat === 'feature' ? 2 * equivariantDim : equivariantDim;
    this.linear = keepScale(new Linear(inDim, linearDim(config), rng), inDim, 1, rng);
    this.convs = createConvs(this.stages, channels, rng);
  }

  /** Joined features of both views (models/fusion.ts), in the compute dtype, to an image f32 [B, 3, S, S], contiguous. */
  forward(joined: Tensor, ctx: ForwardContext): Tensor {
    const { activation, sizePx } = this.config;
    let x = this.#map(joined, ctx); // [B, C0, side, side]
    for (const [i, [conv, stage]] of zip(this.convs, this.stages).entries()) {
      if (i > 0) x = activation === 'relu' ? x.relu() : x.gelu();
      if (stage === 'nearest') x = doubleNearest(x);
      x = conv.forward(x, ctx);
    }
    // Contiguous before the loss: mixed memory formats would cost more there than this copy.
    const image = x.contiguous().to('float32'); // [B, 3, side, side]
    return image.shape[2] === sizePx ? image : image.upsampleBilinear2d([sizePx, sizePx], false);
  }

  /** [B, C0, G, G], of `global` [B, C0, 7, 7]. */
  #map(joined: Tensor, ctx: ForwardContext): Tensor {
    const { kind, gridPatches, channels, concat } = this.config;
    if (kind === 'global') {
      return this.linear.forward(joined.mean([1]), ctx).reshape([-1, channels, GLOBAL_SIDE, GLOBAL_SIDE]);
    }
    const linear = this.linear.forward(joined, ctx); // [B, N, C0] or [B, 2N, C0/2]
    const rows = concat === 'token' ? torch.cat(linear.chunk(2, 1), 2) : linear; // [B, N, C0]
    return rows.reshape([-1, gridPatches, gridPatches, channels]).permute([0, 3, 1, 2]);
  }
}

/** Outputs of the linear layer; of `token` half of C0 from each view, stacked. */
function linearDim({ kind, channels, concat }: DecoderConfig): number {
  if (kind === 'global') return channels * GLOBAL_SIDE ** 2;
  return concat === 'token' ? channels / 2 : channels;
}
