// Activation checkpointing: a layer's intermediate values are not kept for the backward pass but computed again.

import { noGrad } from '../autograd.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import type { ForwardContext, Layer } from './module.js';

/** A layer's output, cut off from the graph, and the way back through the layer. */
export interface ActivationCheckpoint {
  /** A leaf that collects the gradient of what follows. */
  readonly output: Tensor;
  /**
   * Runs the layer again and sends `output.grad` back through it, into its parameters and into `x`: once, after the backward pass of what
   * follows. The random draws are those of the first run, and buffers (running statistics) count one run only, so that gradients are
   * those of a plain forward and backward pass to the bit.
   * Throws Error when the output has no gradient yet.
   */
  backward(): void;
}

/**
 * Runs a layer and keeps its output only. Memory then holds the activations of one checkpointed layer at a time, for one more forward
 * pass. No JavaScript runs inside autograd, so the way back is called by hand, last layer first.
 * @param x a leaf, the output of another checkpoint, or a tensor that nothing else uses: its graph is gone through once
 * @param ctx the same object until `backward`; its generator is set back and forth
 * Source: Chen et al. 2016 (arXiv 1604.06174); PyTorch's torch.utils.checkpoint.
 * @example
 * const first = activationCheckpoint(blocks[0], x, ctx);
 * const second = activationCheckpoint(blocks[1], first.output, ctx);
 * lossOf(second.output).backward();
 * second.backward();
 * first.backward();
 */
export function activationCheckpoint(layer: Layer, x: Tensor, ctx: ForwardContext): ActivationCheckpoint {
  const drawsBefore = ctx.rng?.getState();
  const output = scope(() => noGrad(() => layer.forward(x, ctx).detach())).requiresGrad_();
  const backward = (): void => {
    scope(() => {
      const gradient = output.grad;
      if (gradient === undefined) {
        throw new Error(
          'activationCheckpoint: output must have a gradient, got none; run the backward pass of what follows first',
        );
      }
      const drawsAfter = ctx.rng?.getState();
      const buffers = layer.buffers().map((buffer) => [buffer, buffer.clone()] as const);
      try {
        restoreDraws(ctx, drawsBefore);
        const y = layer.forward(x, ctx);
        if (y.requiresGrad) y.backward(gradient);
      } finally {
        restoreDraws(ctx, drawsAfter);
        noGrad(() => buffers.forEach(([buffer, before]) => buffer.copy_(before)));
      }
    });
  };
  return { output, backward };
}

/** Sets the generator back, where there is one. */
function restoreDraws({ rng }: ForwardContext, state: Uint8Array | undefined): void {
  if (state !== undefined) rng?.setState(state);
}
