/**
 * The vision transformer: patches, class token, optional registers, pre-norm blocks, one final norm.
 *
 * Parameter names and shapes equal DINOv2's checkpoints; with neither mask token, registers nor LayerScale they are DINO's and DeiT's.
 * Sources: iBOT models/vision_transformer.py, DINOv2 models/vision_transformer.py.
 *
 * B images, R registers, N = G * G patches, T = 1 + R + N tokens, D width, P pixels of a patch side.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { init, LayerNorm, Module, Parameter } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';
import { VIT_SIZES } from '../config/encoderSizes.js';
import { expectDivisor, expectMultiple } from '../config/shapeRules.js';
import type { Config } from '../config/schema.js';
import { Block, NORM_EPS } from './block.js';
import { type EncoderContext, runLayers } from './checkpointTape.js';
import type { Encoder, Tokens } from './encoder.js';
import { gridOf } from './imageSize.js';
import { PatchEmbed } from './patchEmbed.js';
import { resizePositions } from './positionEmbedding.js';

/** The `model` section of a vision transformer, with width, depth and heads filled in. */
export interface VitConfig extends Omit<Config['model'], 'kind' | 'size' | 'patch' | 'resnet'> {
  readonly patchPx: number;
  /** Holds the vector that stands for hidden patches. */
  readonly maskToken?: boolean;
}

/** The encoder's shape from the `model` section; named sizes fill in width, depth and heads. */
export function vitConfig({ kind: _kind, size, patch, resnet: _resnet, ...options }: Config['model']): VitConfig {
  return { ...options, patchPx: patch, ...(size !== 'custom' && VIT_SIZES[size]) };
}

/** An encoder of square images of any side that is a multiple of the patch. */
export class Vit extends Module implements Encoder {
  readonly clsToken: Parameter; // [1, 1, D]
  readonly posEmbed: Parameter; // [1, 1 + N, D]
  readonly registerTokens: Parameter | undefined; // [1, R, D]
  readonly maskToken: Parameter | undefined; // [1, D]
  readonly patchEmbed: PatchEmbed;
  readonly blocks: Block[];
  readonly norm: LayerNorm;
  readonly widthDim: number;
  readonly gridPatches: number;
  readonly patchPx: number;
  readonly hasBatchNorm = false;
  readonly numRegisters: number;
  readonly positionResize: VitConfig['positionResize'];

  /** Throws ConfigError when the image is no multiple of the patch, or the width none of the heads. */
  constructor(config: VitConfig, rng: Generator) {
    super();
    const { widthDim, depth, numRegisters } = config;
    expectMultiple('model.imagePx', config.imagePx, config.patchPx);
    expectDivisor('model.numHeads', config.numHeads, 'model.widthDim', widthDim);
    this.widthDim = widthDim;
    this.patchPx = config.patchPx;
    this.gridPatches = config.imagePx / config.patchPx;
    this.numRegisters = numRegisters;
    this.positionResize = config.positionResize;
    this.clsToken = new Parameter(torch.zeros([1, 1, widthDim]));
    this.posEmbed = new Parameter(torch.zeros([1, 1 + this.gridPatches ** 2, widthDim]));
    this.registerTokens = numRegisters > 0 ? new Parameter(torch.zeros([1, numRegisters, widthDim])) : undefined;
    this.maskToken = config.maskToken === true ? new Parameter(torch.zeros([1, widthDim])) : undefined;
    this.patchEmbed = new PatchEmbed(config.patchPx, widthDim, rng);
    this.blocks = Array.from({ length: depth }, (_, i) => {
      return new Block({ ...config, dropPath: { rate: dropPathRateOf(i, config), form: config.dropPathForm } }, rng);
    });
    this.norm = new LayerNorm(widthDim, { eps: NORM_EPS });
    this.#initialize(config.init, rng);
  }

  /**
   * Normalised images f32 [B, 3, S, S] to tokens in the compute dtype. Throws ConfigError unless S is a multiple of P.
   * @param mask bool [B, N]: patches whose embedding the mask token takes, before positions are added
   */
  forward(images: Tensor, ctx: EncoderContext, mask?: Tensor): Tokens {
    const embedded = torch.scope(() => this.#embed(images, ctx, mask)); // [B, T, D]
    const x = this.norm.forward(runLayers(this.blocks, embedded, ctx), ctx); // [B, T, D]
    const numPrefix = 1 + this.numRegisters;
    return {
      cls: x.select(1, 0),
      registers: x.narrow(1, 1, this.numRegisters),
      patches: x.slice(1, numPrefix),
    };
  }

  /** [B, 3, S, S] to [B, T, D] in the order class, registers, patches; registers get no position. */
  #embed(images: Tensor, ctx: ForwardContext, mask: Tensor | undefined): Tensor {
    const [batch = 0] = images.shape;
    const gridPatches = gridOf('vit', images, this.patchPx);
    const patches = this.#hide(this.patchEmbed.forward(images, ctx), mask); // [B, N, D]
    const positions = resizePositions(this.posEmbed, gridPatches, this.positionResize); // [1, 1 + N, D]
    const cls = this.clsToken.add(positions.narrow(1, 0, 1)); // [1, 1, D]
    const prefix = this.registerTokens ? torch.cat([cls, this.registerTokens], 1) : cls; // [1, 1 + R, D]
    return torch.cat(
      [prefix.to(ctx.computeDtype).expand([batch, -1, -1]), patches.add(positions.slice(1, 1).to(ctx.computeDtype))],
      1,
    );
  }

  #hide(patches: Tensor, mask: Tensor | undefined): Tensor {
    if (mask === undefined) return patches;
    if (this.maskToken === undefined) throw new Error('internal: vit: a mask needs an encoder with a mask token');
    return torch.where(mask.unsqueeze(-1), this.maskToken.to(patches.dtype), patches);
  }

  /**
   * Every linear weight and the positions from a normal of std 0.02 cut at +-2, biases zero, registers from a normal of std 1e-6, the
   * patch convolution PyTorch's default. The class token is as the positions in iBOT and as the registers in DINOv2.
   */
  #initialize(from: VitConfig['init'], rng: Generator): void {
    torch.noGrad(() => {
      for (const [name, parameter] of this.namedParameters()) {
        if (!name.startsWith('blocks.')) continue;
        if (name.endsWith('.bias')) parameter.zero_();
        else if (parameter.rank === 2) init.truncNormal_(parameter, 0.02, rng);
      }
      init.truncNormal_(this.clsToken, from === 'ibot' ? 0.02 : 1e-6, rng);
      init.truncNormal_(this.posEmbed, 0.02, rng);
      if (this.registerTokens) init.normal_(this.registerTokens, 1e-6, rng);
    });
  }
}

/** The first block's rate is 0 and the last one's `dropPathRate`, or all have that (DINOv2 drop_path_uniform). */
function dropPathRateOf(block: number, { depth, dropPathRate, dropPathSchedule }: VitConfig): number {
  return dropPathSchedule === 'uniform' ? dropPathRate : (dropPathRate * block) / Math.max(1, depth - 1);
}
