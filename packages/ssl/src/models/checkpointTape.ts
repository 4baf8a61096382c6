/** Activation checkpoints over the blocks of an encoder: of each block only the output stays in memory until the backward pass. */
import type { Tensor } from '@halfway/torch';
import { isGradEnabled, scope } from '@halfway/torch';
import { type ActivationCheckpoint, activationCheckpoint, type ForwardContext, type Layer } from '@halfway/torch/nn';

/** What an encoder's forward pass needs; with a tape it checkpoints its blocks. */
export type EncoderContext = ForwardContext & { readonly tape?: CheckpointTape | undefined };

/**
 * The blocks that a training step went through, in order. No JavaScript runs inside autograd, so that whoever calls `backward` on the
 * loss calls it on the tape too.
 * @example
 * const ctx = { ...context, tape: new CheckpointTape() };
 * lossOf(encoder.forward(images, ctx)).backward();
 * ctx.tape.backward();
 */
export class CheckpointTape {
  readonly #checkpoints: ActivationCheckpoint[] = [];

  /** layer.forward(x, ctx); what is inside the layer is computed again by `backward`. Without gradients nothing is noted. */
  run(layer: Layer, x: Tensor, ctx: ForwardContext): Tensor {
    if (!isGradEnabled()) return layer.forward(x, ctx);
    const checkpoint = activationCheckpoint(layer, x, ctx);
    this.#checkpoints.push(checkpoint);
    return checkpoint.output;
  }

  /**
   * Sends the gradients on from the outputs of the blocks, last block first: once, after the backward pass of the loss. Parameters and
   * images then have the gradients of a pass without a tape, to the bit.
   * Throws Error when the loss did not depend on a block's output.
   */
  backward(): void {
    for (const checkpoint of this.#checkpoints.splice(0).reverse()) checkpoint.backward();
  }
}

/**
 * x through the layers, one after the other, on the tape where there is one. What a layer makes on the way ends with it, but for what the
 * backward pass keeps.
 */
export function runLayers(layers: readonly Layer[], x: Tensor, ctx: EncoderContext): Tensor {
  const { tape } = ctx;
  return layers.reduce((y, layer) => scope(() => (tape ? tape.run(layer, y, ctx) : layer.forward(y, ctx))), x);
}
