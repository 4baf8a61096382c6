/**
 * The head of DINO, iBOT and DINOv2: tokens to the scores of K prototypes, which are cosines (times a gain per prototype).
 *
 *   scores = W x / ||x||,  x = MLP(token),  W_k = g_k v_k / ||v_k||
 *
 * Names and shapes in a checkpoint are the references': `mlp.{0,2,4}`, `last_layer.weight_{g,v}`, and with prototypes of their own for
 * patches `last_layer2.weight_{g,v}`. `last_layer_equi` is ours: with it the last layer as the references have it is cut in two. It is
 * used in pretraining only.
 * Sources: facebookresearch/dino vision_transformer.py, bytedance/ibot models/head.py, facebookresearch/dinov2 layers/dino_head.py.
 *
 * M rows, D features in, E width of the bottleneck, K prototypes.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { gelu, init, Linear, Module, Parameter, Sequential } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';

export interface DinoHeadConfig {
  readonly inputDim: number; // D
  readonly hiddenDim: number;
  readonly bottleneckDim: number; // E
  /** Of the weights of the MLP. Of I inputs a layer makes about std * sqrt(I) times their size: 0.02 suits the references' 2048. */
  readonly headInitStd: number;
  readonly prototypes: number; // K
  /** Prototypes of their own for patches; 0: the class token's serve both. */
  readonly patchPrototypes: number;
  /** Outputs beside the prototypes' scores, made in the same way, that no loss of prototypes reads; 0: none. */
  readonly equivariantDim: number;
  /** The gains g stay 1; else they are trained. */
  readonly normLastLayer: boolean;
}

export class DinoHead extends Module {
  readonly mlp: Sequential;
  readonly lastLayer: Prototypes;
  readonly lastLayer2: Prototypes | undefined;
  readonly lastLayerEqui: Prototypes | undefined;

  constructor(config: DinoHeadConfig, rng: Generator) {
    super();
    const { inputDim, hiddenDim, bottleneckDim, prototypes, patchPrototypes, equivariantDim, normLastLayer } = config;
    const linear = (from: number, to: number): Linear => {
      const layer = new Linear(from, to, rng);
      init.truncNormal_(layer.weight, config.headInitStd, rng);
      if (layer.bias) init.constant_(layer.bias, 0);
      return layer;
    };
    this.mlp = new Sequential(
      linear(inputDim, hiddenDim),
      gelu,
      linear(hiddenDim, hiddenDim),
      gelu,
      linear(hiddenDim, bottleneckDim),
    );
    const last = (count: number): Prototypes => new Prototypes(bottleneckDim, count, normLastLayer, rng);
    this.lastLayer = last(prototypes);
    this.lastLayer2 = patchPrototypes > 0 ? last(patchPrototypes) : undefined;
    this.lastLayerEqui = equivariantDim > 0 ? last(equivariantDim) : undefined;
  }

  /** Tokens [M, D] to vectors of length 1, [M, E] in the compute dtype. */
  embed(tokens: Tensor, ctx: ForwardContext): Tensor {
    return torch.scope(() => {
      const x = this.mlp.forward(tokens, ctx).to('float32');
      return x.div(x.linalgVectorNorm(2, [1], true).clampMin(1e-12)).to(ctx.computeDtype);
    });
  }

  /** Tokens [M, D] to the outputs beside the prototypes' scores, [M, D_equi] in the compute dtype. */
  equivariant(tokens: Tensor, ctx: ForwardContext): Tensor {
    if (!this.lastLayerEqui) throw new Error('internal: dinoHead: made without equivariant outputs');
    return this.lastLayerEqui.scorer(ctx)(this.embed(tokens, ctx));
  }
}

/** The last layer: directions of length 1, learned apart from their gains. */
export class Prototypes extends Module {
  readonly weightG: Parameter; // [K, 1]
  readonly weightV: Parameter; // [K, E]

  constructor(bottleneckDim: number, count: number, normLastLayer: boolean, rng: Generator) {
    super();
    this.weightG = new Parameter(torch.ones([count, 1])).requiresGrad_(!normLastLayer);
    this.weightV = init.kaimingUniform_(new Parameter(torch.empty([count, bottleneckDim])), Math.sqrt(5), rng);
  }

  /**
   * A function from rows [M, E] to their scores [M, K] in the compute dtype. Making it normalises the weights, in f32: make it once for
   * all rows of a step.
   */
  scorer({ computeDtype }: ForwardContext): (embedded: Tensor) => Tensor {
    const weight = torch.scope(() => {
      const length = this.weightV.linalgVectorNorm(2, [1], true); // [K, 1]
      return this.weightV.mul(this.weightG.div(length)).to(computeDtype); // [K, E]
    });
    return (embedded) => torch.linear(embedded.to(computeDtype), weight);
  }
}
