/**
 * The vision transformer: patches, class token, optional registers, pre-norm blocks, one final norm.
 *
 * Parameter names and shapes equal DINOv2's checkpoints (without its mask token); with neither registers nor LayerScale
 * it is iBOT's and DeiT's. Sources: iBOT models/vision_transformer.py, DINOv2 models/vision_transformer.py.
 *
 * B images, R registers, N = G * G patches, T = 1 + R + N tokens, D width, P pixels of a patch side.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { init, LayerNorm, Module, Parameter } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import { ConfigError } from '../errors.js';
import { Block, NORM_EPS } from './block.js';
import type { Encoder, Tokens } from './encoder.js';
import { PatchEmbed } from './patchEmbed.js';
import { resizePositions } from './positionEmbedding.js';

export interface VitConfig {
  readonly imagePx: number;
  readonly patchPx: number;
  readonly widthDim: number;
  readonly depth: number;
  readonly numHeads: number;
  readonly mlpRatio: number;
  readonly numRegisters: number;
  /** Initial LayerScale; 0 means that there is none. */
  readonly layerScale: number;
  /** Drop path of the last block; it rises linearly from 0 at the first. */
  readonly dropPathRate: number;
}

type Shape = Pick<VitConfig, 'widthDim' | 'depth' | 'numHeads'>;

// iBOT and DINOv2, vision_transformer.py; heads are 64 wide.
const SIZES = {
  tiny: { widthDim: 192, depth: 12, numHeads: 3 },
  small: { widthDim: 384, depth: 12, numHeads: 6 },
  base: { widthDim: 768, depth: 12, numHeads: 12 },
  large: { widthDim: 1024, depth: 24, numHeads: 16 },
} as const satisfies Record<Exclude<Config['model']['size'], 'custom'>, Shape>;

/** The encoder's shape from the `model` section; named sizes fill in width, depth and heads. */
export function vitConfig(model: Config['model']): VitConfig {
  const { imagePx, patch: patchPx, mlpRatio, numRegisters, layerScale, dropPathRate } = model;
  const shape: Shape =
    model.size === 'custom'
      ? { widthDim: model.widthDim, depth: model.depth, numHeads: model.numHeads }
      : SIZES[model.size];
  return { imagePx, patchPx, ...shape, mlpRatio, numRegisters, layerScale, dropPathRate };
}

/** An encoder of square images of any side that is a multiple of the patch. */
export class Vit extends Module implements Encoder {
  readonly clsToken: Parameter; // [1, 1, D]
  readonly posEmbed: Parameter; // [1, 1 + N, D]
  readonly registerTokens: Parameter | undefined; // [1, R, D]
  readonly patchEmbed: PatchEmbed;
  readonly blocks: Block[];
  readonly norm: LayerNorm;
  readonly widthDim: number;
  readonly gridPatches: number;
  readonly numRegisters: number;

  /** Throws ConfigError when the image is no multiple of the patch, or the width none of the heads. */
  constructor(config: VitConfig, rng: Generator) {
    super();
    const { widthDim, depth, numRegisters } = config;
    expectMultiple('model.imagePx', config.imagePx, config.patchPx);
    if (widthDim % config.numHeads !== 0) {
      throw new ConfigError(
        `model.numHeads: width must be a multiple of the heads, got width ${widthDim} and ${config.numHeads} heads; ` +
          `change model.widthDim or model.numHeads`,
        'model.numHeads',
      );
    }
    this.widthDim = widthDim;
    this.gridPatches = config.imagePx / config.patchPx;
    this.numRegisters = numRegisters;
    this.clsToken = new Parameter(torch.zeros([1, 1, widthDim]));
    this.posEmbed = new Parameter(torch.zeros([1, 1 + this.gridPatches ** 2, widthDim]));
    this.registerTokens = numRegisters > 0 ? new Parameter(torch.zeros([1, numRegisters, widthDim])) : undefined;
    this.patchEmbed = new PatchEmbed(config.patchPx, widthDim, rng);
    this.blocks = Array.from({ length: depth }, (_, i) => {
      return new Block({ ...config, dropPathRate: (config.dropPathRate * i) / Math.max(1, depth - 1) }, rng);
    });
    this.norm = new LayerNorm(widthDim, { eps: NORM_EPS });
    this.#initialize(rng);
  }

  /** Normalised images f32 [B, 3, S, S] to tokens in the compute dtype. Throws ConfigError unless S is a multiple of P. */
  forward(images: Tensor, ctx: ForwardContext): Tokens {
    let x = this.#embed(images, ctx); // [B, T, D]
    for (const block of this.blocks) x = block.forward(x, ctx);
    x = this.norm.forward(x, ctx);
    const numPrefix = 1 + this.numRegisters;
    return {
      cls: x.select(1, 0),
      registers: x.narrow(1, 1, this.numRegisters),
      patches: x.slice(1, numPrefix),
    };
  }

  /** [B, 3, S, S] to [B, T, D] in the order class, registers, patches; registers get no position. */
  #embed(images: Tensor, ctx: ForwardContext): Tensor {
    const [batch = 0, , heightPx = 0, widthPx = 0] = images.shape;
    expectMultiple('vit', heightPx, this.patchEmbed.patchPx);
    if (heightPx !== widthPx) {
      throw new ConfigError(`vit: images must be square, got ${heightPx} x ${widthPx} px; crop or resize them`);
    }
    const patches = this.patchEmbed.forward(images, ctx); // [B, N, D]
    const positions = resizePositions(this.posEmbed, heightPx / this.patchEmbed.patchPx); // [1, 1 + N, D]
    const cls = this.clsToken.add(positions.narrow(1, 0, 1)); // [1, 1, D]
    const prefix = this.registerTokens ? torch.cat([cls, this.registerTokens], 1) : cls; // [1, 1 + R, D]
    return torch.cat(
      [prefix.to(ctx.computeDtype).expand([batch, -1, -1]), patches.add(positions.slice(1, 1).to(ctx.computeDtype))],
      1,
    );
  }

  /**
   * iBOT: every linear weight, the class token and the positions from a normal of std 0.02 cut at +-2, biases zero; the
   * patch convolution keeps PyTorch's default. DINOv2: registers from a normal of std 1e-6.
   */
  #initialize(rng: Generator): void {
    torch.noGrad(() => {
      for (const [name, parameter] of this.namedParameters()) {
        if (!name.startsWith('blocks.')) continue;
        if (name.endsWith('.bias')) parameter.zero_();
        else if (parameter.rank === 2) init.truncNormal_(parameter, 0.02, rng);
      }
      init.truncNormal_(this.clsToken, 0.02, rng);
      init.truncNormal_(this.posEmbed, 0.02, rng);
      if (this.registerTokens) init.normal_(this.registerTokens, 1e-6, rng);
    });
  }
}

function expectMultiple(where: string, imagePx: number, patchPx: number): void {
  if (imagePx > 0 && imagePx % patchPx === 0) return;
  const below = Math.floor(imagePx / patchPx) * patchPx;
  const nearest = below > 0 ? `${below} or ${below + patchPx}` : `${patchPx}`;
  throw new ConfigError(
    `${where}: an image's side must be a multiple of the patch, got ${imagePx} px and patch ${patchPx} px; use ${nearest} px`,
    'model.imagePx',
  );
}
