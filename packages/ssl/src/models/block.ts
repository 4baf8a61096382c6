/**
 * The transformer block of the encoder and its parts. Parameter names are those of DINOv2's checkpoints.
 *
 * B images, T tokens, D width.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { Attention, dropPath, LayerNorm, Linear, Module, Parameter } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';

export interface BlockConfig {
  readonly widthDim: number;
  readonly numHeads: number;
  readonly mlpRatio: number;
  /** Initial LayerScale; 0 means that there is none. */
  readonly layerScale: number;
  /** Probability that a branch is left out for an image in training. */
  readonly dropPathRate: number;
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

/** Two linear layers with exact (erf) GELU between them. */
export class Mlp extends Module {
  readonly fc1: Linear;
  readonly fc2: Linear;

  constructor(widthDim: number, hiddenDim: number, rng: Generator) {
    super();
    this.fc1 = new Linear(widthDim, hiddenDim, rng);
    this.fc2 = new Linear(hiddenDim, widthDim, rng);
  }

  /** [B, T, D] to [B, T, D]. */
  forward(x: Tensor, ctx: ForwardContext): Tensor {
    return this.fc2.forward(this.fc1.forward(x, ctx).gelu(), ctx);
  }
}

/**
 * Pre-norm transformer block: x + drop(ls1 * attn(norm1(x))), then x + drop(ls2 * mlp(norm2(x))).
 * Source: DINOv2 layers/block.py (plain per-image drop path; its batch-subset variant is not used).
 */
export class Block extends Module {
  readonly norm1: LayerNorm;
  readonly attn: Attention;
  readonly ls1: LayerScale | undefined;
  readonly norm2: LayerNorm;
  readonly mlp: Mlp;
  readonly ls2: LayerScale | undefined;
  readonly dropPathRate: number;

  constructor(config: BlockConfig, rng: Generator) {
    super();
    const { widthDim, numHeads, mlpRatio, layerScale } = config;
    const scale = (): LayerScale | undefined => (layerScale > 0 ? new LayerScale(widthDim, layerScale) : undefined);
    this.norm1 = new LayerNorm(widthDim, { eps: NORM_EPS });
    this.attn = new Attention({ dim: widthDim, numHeads }, rng);
    this.ls1 = scale();
    this.norm2 = new LayerNorm(widthDim, { eps: NORM_EPS });
    this.mlp = new Mlp(widthDim, Math.round(widthDim * mlpRatio), rng);
    this.ls2 = scale();
    this.dropPathRate = config.dropPathRate;
  }

  /** [B, T, D] to [B, T, D], in the compute dtype. */
  forward(x: Tensor, ctx: ForwardContext): Tensor {
    const attended = this.attn.forward(this.norm1.forward(x, ctx), ctx);
    const y = x.add(dropPath(this.ls1?.forward(attended) ?? attended, this.dropPathRate, ctx)); // [B, T, D]
    const mixed = this.mlp.forward(this.norm2.forward(y, ctx), ctx);
    return y.add(dropPath(this.ls2?.forward(mixed) ?? mixed, this.dropPathRate, ctx));
  }
}
