/**
 * SIE's predictor: a linear map of features whose weights another network computes from the transformation's parameters.
 * Source: SIE (Garrido et al. 2023), section 4, and facebookresearch/SIE src/hypernetwork.py; used in pretraining only.
 *
 * B images, E features, Z numbers that describe the transformation.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { init, Linear, Module } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';

export class Hypernetwork extends Module {
  /** Bias-free layers Z -> Z with ReLU, before the weights are made. */
  readonly hidden: Linear[];
  /** A as [E, E * Z]: the map's weight from feature i to feature o is sum_z A[o, i * Z + z] code_z. */
  readonly weights: Linear;

  /** `numHidden` is 0 for SIE's linear hypernetwork and 2 for its deep one. */
  constructor(featureDim: number, codeDim: number, numHidden: number, rng: Generator) {
    super();
    this.hidden = Array.from({ length: numHidden }, () => new Linear(codeDim, codeDim, rng, { bias: false }));
    this.weights = new Linear(featureDim * codeDim, featureDim, rng, { bias: false });
    // As SIE, where A is a layer with Z inputs and E * E outputs.
    const bound = 1 / Math.sqrt(codeDim);
    torch.noGrad(() => init.uniform_(this.weights.weight, -bound, bound, rng));
  }

  /**
   * W(code) x with W(code)_oi = sum_z A_oiz h_z, f32 [B, E]; h is the code, or the last hidden layer's output. It is computed as
   * A (x (x) h), so that no image's own matrix W is ever made.
   *
   * @param features f32 [B, E]
   * @param code f32 [B, Z]
   */
  forward(features: Tensor, code: Tensor, ctx: ForwardContext): Tensor {
    let h = code;
    for (const layer of this.hidden) h = layer.forward(h, ctx).relu();
    const products = features.unsqueeze(2).mul(h.unsqueeze(1)); // [B, E, Z]
    return this.weights.forward(products.flatten(1), ctx).to('float32');
  }
}
