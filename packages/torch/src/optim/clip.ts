// Clipping of gradients, in place; parameters without a gradient are passed over. That of the common norm is `fused.clipGradNorm`.

import { noGrad } from '../autograd.js';
import { foreachNorm, stack, zeros } from '../ops.gen.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';

/**
 * Scales each gradient by itself down so that its 2-norm is at most `maxNorm`.
 * @returns float32 [number of gradients], the norms before
 * Source: DINO utils.py, clip_gradients; torch.nn.utils.clip_grad_norm_ of one parameter at a time.
 */
export function clipEachGradNorm(parameters: readonly Tensor[], maxNorm: number): Tensor {
  return onGradients(parameters, (grads) => {
    if (grads.length === 0) return zeros([0]);
    const norms = stack(foreachNorm(grads, 2, 'float32'));
    const scales = norms.add(1e-6).reciprocal().mul(maxNorm).clampMax(1).unbind(0); // 1e-6 as in PyTorch
    for (const [i, grad] of grads.entries()) grad.mul_(scales[i] ?? 1);
    return norms;
  });
}

/** Moves every element of every gradient into [-maxValue, maxValue]; NaN stays. Source: torch.nn.utils.clip_grad_value_. */
export function clipGradValue(parameters: readonly Tensor[], maxValue: number): void {
  onGradients(parameters, (grads) => {
    for (const grad of grads) grad.clamp_(-maxValue, maxValue);
  });
}

function onGradients<T>(parameters: readonly Tensor[], change: (grads: readonly Tensor[]) => T): T {
  return scope(() => noGrad(() => change(parameters.map(({ grad }) => grad).filter((grad) => grad !== undefined))));
}
