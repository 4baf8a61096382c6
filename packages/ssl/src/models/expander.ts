/**
 * VICReg's expander "a-b-c": Linear - BatchNorm - ReLU for all but the last layer, which is linear, as a rule without bias.
 * Other objectives' projectors have the same form. Used in pretraining only. Source: VICReg main_vicreg.py, Projector.
 *
 * B images, d features in, E features out.
 */
import type { Generator, Tensor } from '@halfway/torch';
import { BatchNorm1d, Linear, Module } from '@halfway/torch/nn';
import type { ForwardContext } from '@halfway/torch/nn';

export class Expander extends Module {
  readonly linears: Linear[];
  readonly norms: BatchNorm1d[];

  /** `widths` are the outputs of the layers, at least one. */
  constructor(inputDim: number, widths: readonly number[], rng: Generator, { lastBias = false } = {}) {
    super();
    const last = widths.length - 1;
    const biased = (i: number): boolean => i < last || lastBias;
    this.linears = widths.map((width, i) => new Linear(widths[i - 1] ?? inputDim, width, rng, { bias: biased(i) }));
    // No running statistics: nothing would read them, and a batch that is not finite would stay in them.
    this.norms = widths.slice(0, last).map((width) => new BatchNorm1d(width, { trackRunningStats: false }));
  }

  /** [B, d] to f32 [B, E]. One view at a time: the batch statistics are the view's own. Norms run in f32. */
  forward(features: Tensor, ctx: ForwardContext): Tensor {
    let x = features;
    for (const [i, linear] of this.linears.entries()) {
      const y = linear.forward(x, ctx).to('float32');
      x = this.norms[i]?.forward(y, ctx).relu() ?? y;
    }
    return x;
  }
}
