/**
 * The feed-forward part of a transformer block: a plain MLP, or a gated one (SwiGLU, Shazeer 2020, arXiv 2002.05202).
 *
 * B images, T tokens, D width, F hidden width.
 */
import type { Generator, Tensor } from '@halfway/torch';
import { type ForwardContext, type Layer, Linear, Module } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import { pairOf } from '../pairs.js';

/** Two linear layers with exact (erf) GELU between them. */
class Mlp extends Module implements Layer {
  readonly fc1: Linear;
  readonly fc2: Linear;

  constructor(widthDim: number, hiddenDim: number, rng: Generator) {
    super();
    this.fc1 = new Linear(widthDim, hiddenDim, rng);
    this.fc2 = new Linear(hiddenDim, widthDim, rng);
  }

  forward(x: Tensor, ctx: ForwardContext): Tensor {
    return this.fc2.forward(this.fc1.forward(x, ctx).gelu(), ctx);
  }
}

/** w3(silu(a) * b), where a and b are the halves of w12(x). Source: DINOv2 layers/swiglu_ffn.py. */
class SwiGlu extends Module implements Layer {
  readonly w12: Linear; // D -> 2F: all of a, then b
  readonly w3: Linear;

  constructor(widthDim: number, hiddenDim: number, rng: Generator) {
    super();
    this.w12 = new Linear(widthDim, 2 * hiddenDim, rng);
    this.w3 = new Linear(hiddenDim, widthDim, rng);
  }

  forward(x: Tensor, ctx: ForwardContext): Tensor {
    const [gate, value] = pairOf(this.w12.forward(x, ctx).chunk(2, -1)); // 2 of [B, T, F]
    return this.w3.forward(gate.silu().mul(value), ctx);
  }
}

/**
 * The feed-forward part of a kind, [B, T, D] to [B, T, D] in the compute dtype.
 *
 * `mlp`, `swiglu`: F = `hiddenDim`. `swiglufused`: F is two thirds of it, rounded down, then up to a multiple of 8, so that three matrices
 * have about the parameters of the two of an MLP; DINOv2's models have this width under either name.
 */
export function createFeedForward(
  kind: Config['model']['ffn'],
  widthDim: number,
  hiddenDim: number,
  rng: Generator,
): Layer {
  switch (kind) {
    case 'mlp':
      return new Mlp(widthDim, hiddenDim, rng);
    case 'swiglu':
      return new SwiGlu(widthDim, hiddenDim, rng);
    case 'swiglufused':
      return new SwiGlu(widthDim, Math.ceil(Math.floor((hiddenDim * 2) / 3) / 8) * 8, rng);
    default:
      return kind satisfies never;
  }
}
