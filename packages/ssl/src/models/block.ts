/**
 * The transformer block of the encoder and its parts. Parameter names are those of DINOv2's checkpoints.
 *
 * B images, T tokens, D width.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { Attention, LayerNorm, Module, Parameter } from '@halfway/torch/nn';
import type { ForwardContext, Layer } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import { createFeedForward } from './feedForward.js';
import { addBranch, type StochasticDepth } from './residual.js';

export interface BlockConfig {
  readonly widthDim: number;
  readonly numHeads: number;
  readonly ffn: Config['model']['ffn'];
  readonly mlpRatio: number;
  /** Initial LayerScale; 0 means that there is none. */
  readonly layerScale: number;
  readonly dropPath: StochasticDepth;
}

/** Every layer norm of the encoder; PyTorch's own default is 1e-5. Source: iBOT and DINOv2, vision_transformer.py. */
export const NORM_EPS = 1e-6;

/** Learned scale per channel, x * gamma. Source: DINOv2 layers/layer_scale.py. */
export class LayerScale extends Module {
  readonly gamma: Parameter; // [D]

  constructor(widthDim: number, initial: number) {
    super();
    this.gamma = new Parameter(torch.full([widthDim], initial));
  }

  /** [B, T, D] to [B, T, D], in the dtype of x. */
  forward(x: Tensor): Tensor {
    return x.mul(this.gamma.to(x.dtype));
  }
}

/**
 * Pre-norm transformer block: x + drop(ls1 * attn(norm1(x))), then x + drop(ls2 * mlp(norm2(x))).
 * Source: DINOv2 layers/block.py.
 */
export class Block extends Module implements Layer {
  readonly norm1: LayerNorm;
  readonly attn: Attention;
  readonly ls1: LayerScale | undefined;
  readonly norm2: LayerNorm;
  readonly mlp: Layer;
  readonly ls2: LayerScale | undefined;
  readonly dropPath: StochasticDepth;

  constructor(config: BlockConfig, rng: Generator) {
    super();
    const { widthDim, numHeads, ffn, mlpRatio, layerScale } = config;
    const scale = (): LayerScale | undefined => (layerScale > 0 ? new LayerScale(widthDim, layerScale) : undefined);
    this.norm1 = new LayerNorm(widthDim, { eps: NORM_EPS });
    this.attn = new Attention({ dim: widthDim, numHeads }, rng);
    this.ls1 = scale();
    this.norm2 = new LayerNorm(widthDim, { eps: NORM_EPS });
    this.mlp = createFeedForward(ffn, widthDim, Math.round(widthDim * mlpRatio), rng);
    this.ls2 = scale();
    this.dropPath = config.dropPath;
  }

  /** [B, T, D] to [B, T, D], in the compute dtype. */
  forward(x: Tensor, ctx: ForwardContext): Tensor {
    const y = addBranch(x, (tokens) => this.#attended(tokens, ctx), this.dropPath, ctx); // [B, T, D]
    return addBranch(y, (tokens) => this.#mixed(tokens, ctx), this.dropPath, ctx);
  }

  #attended(x: Tensor, ctx: ForwardContext): Tensor {
    const attended = this.attn.forward(this.norm1.forward(x, ctx), ctx);
    return this.ls1?.forward(attended) ?? attended;
  }

  #mixed(x: Tensor, ctx: ForwardContext): Tensor {
    const mixed = this.mlp.forward(this.norm2.forward(x, ctx), ctx);
    return this.ls2?.forward(mixed) ?? mixed;
  }
}
