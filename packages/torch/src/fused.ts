// Loops over all parameters in one native call each, or a few: a training step has hundreds of parameters, and a call an element-wise
// operator and parameter would cost more than the arithmetic. Nothing here is recorded for gradients or waits for a device.

import { adopt } from './adopt.js';
import { noGrad } from './autograd.js';
import { ShapeError } from './errors.js';
import { type Engine, engine } from './native.js';
import * as encode from './operands.js';
import { foreachAdd, foreachMul, foreachNorm, stack, where } from './ops.gen.js';
import { scope } from './scope.js';
import type { Tensor } from './tensor.js';

type Tensors = readonly Tensor[];

/** Hyper-parameters of one AdamW step. */
export interface AdamwOptions {
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
}

/** Hyper-parameters of one SGD step. */
export interface SgdOptions {
  readonly lr: number;
  readonly momentum?: number;
  readonly dampening?: number;
  readonly weightDecay?: number;
  readonly nesterov?: boolean;
  /** The momentum buffers are unset yet: they become the gradients. */
  readonly isFirstStep?: boolean;
}

/** Hyper-parameters of one LARS step. */
export interface LarsOptions {
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly trustCoefficient: number;
  /** For each parameter, whether weight decay and the trust ratio apply (not for biases and norms). */
  readonly isAdapted: readonly boolean[];
}

/**
 * One AdamW step on `params`, in place; updates the moments, and the step counts (one float32 number each).
 * All lists have one tensor a parameter, of its shape and dtype.
 * @param foundInf one float32 number; where it is 1 nothing changes, decided on the device
 * Throws ShapeError, DtypeError or DeviceError when the lists are not alike. Source: PyTorch's `_fused_adamw_`.
 */
function adamwStep(
  params: Tensors,
  grads: Tensors,
  expAvgs: Tensors,
  expAvgSqs: Tensors,
  steps: Tensors,
  options: AdamwOptions,
  foundInf?: Tensor,
): void {
  const { lr, beta1, beta2, eps, weightDecay } = options;
  withLists([params, grads, expAvgs, expAvgSqs, steps], (addon, [p = 0, g = 0, m = 0, v = 0, t = 0]) => {
    addon.adamwStep(p, g, m, v, t, lr, beta1, beta2, eps, weightDecay, handleOf(foundInf));
  });
}

/**
 * One SGD step on `params`, in place. `momentumBuffers` may be empty when there is no momentum.
 * @param foundInf one float32 number; where it is 1 nothing changes, decided on the device
 * Throws ShapeError, DtypeError or DeviceError when the lists are not alike. Source: PyTorch's `_fused_sgd_`.
 */
function sgdStep(
  params: Tensors,
  grads: Tensors,
  momentumBuffers: Tensors,
  options: SgdOptions,
  foundInf?: Tensor,
): void {
  const { lr, momentum = 0, dampening = 0, weightDecay = 0, nesterov = false, isFirstStep = false } = options;
  withLists([params, grads, momentumBuffers], (addon, [p = 0, g = 0, m = 0]) => {
    addon.sgdStep(p, g, m, lr, momentum, dampening, weightDecay, nesterov, isFirstStep, handleOf(foundInf));
  });
}

/**
 * One LARS step on `params`, in place: where adapted, g' = g + weightDecay p times trustCoefficient |p| / |g'| (as it is where a norm
 * is 0), else g' = g; then m = momentum m + g'; p -= lr m. The ratios take a few calls a step, whatever the number of parameters.
 * @param foundInf one float32 number; where it is 1 nothing changes, decided on the device
 * Throws ShapeError, DtypeError or DeviceError when the lists are not alike. Source: You, Gitman and Ginsburg 2017 (arXiv 1708.03888).
 */
function larsStep(
  params: Tensors,
  grads: Tensors,
  momentumBuffers: Tensors,
  options: LarsOptions,
  foundInf?: Tensor,
): void {
  const { lr, momentum, isAdapted } = options;
  expectAlike(params, grads, isAdapted);
  for (const flag of [true, false]) {
    const chosen = (list: Tensors): Tensors => list.filter((_, i) => isAdapted[i] === flag);
    const [p, g, m] = [chosen(params), chosen(grads), chosen(momentumBuffers)];
    scope(() => {
      sgdStep(p, flag ? noGrad(() => trustScaled(p, g, options)) : g, m, { lr, momentum }, foundInf);
    });
  }
}

// The other loops check in the addon.
function expectAlike(params: Tensors, grads: Tensors, isAdapted: readonly boolean[]): void {
  if (params.length !== grads.length || params.length !== isAdapted.length) {
    throw new ShapeError(
      `larsStep: every list must have one entry a parameter, got ${params.length}, ${grads.length} and ${isAdapted.length}`,
    );
  }
  for (const [i, { shape }] of params.entries()) {
    const own = grads[i]?.shape ?? [];
    if (own.join() !== shape.join()) {
      throw new ShapeError(
        `larsStep: gradient ${i} must be [${shape.join(', ')}] as its parameter, got [${own.join(', ')}]`,
      );
    }
  }
}

/** g' = g + weightDecay p, times trustCoefficient |p| / |g'| where neither norm is 0. */
function trustScaled(params: Tensors, grads: Tensors, { weightDecay, trustCoefficient }: LarsOptions): Tensors {
  if (params.length === 0) return [];
  const decayed = foreachAdd(grads, params, { alpha: weightDecay });
  const [paramNorms, gradNorms] = [stack(foreachNorm(params)), stack(foreachNorm(decayed))];
  const hasNorms = paramNorms.minimum(gradNorms).gt(0);
  const ratios = where(hasNorms, paramNorms.div(gradNorms).mul(trustCoefficient), 1);
  return foreachMul(decayed, ratios.unbind(0));
}

/** averaged = momentum averaged + (1 - momentum) source, in place, tensor by tensor. */
function emaUpdate(averaged: Tensors, source: Tensors, momentum: number): void {
  withLists([averaged, source], (addon, [a = 0, s = 0]) => {
    addon.emaUpdate(a, s, momentum);
  });
}

/** The 2-norm of all elements of all tensors. @returns float32 [] */
function gradNorm(tensors: Tensors): Tensor {
  return adopt(withLists([tensors], (addon, [t = 0]) => addon.gradNorm(t)));
}

/**
 * Scales the gradients of `params` down so that their common 2-norm is at most `maxNorm`; parameters without a gradient are passed over.
 * @returns float32 [], the norm before
 * Source: PyTorch's `clip_grad_norm_`.
 */
function clipGradNorm(params: Tensors, maxNorm: number): Tensor {
  return adopt(withLists([params], (addon, [p = 0]) => addon.clipGradNorm(p, maxNorm)));
}

/** Whether every element of all tensors is finite. @returns float32 []: 1 when so, else 0; `foundInf` of a step is 1 minus it */
function allFinite(tensors: Tensors): Tensor {
  return adopt(withLists([tensors], (addon, [t = 0]) => addon.allFinite(t)));
}

/** Makes the gradient of every parameter undefined. */
function zeroGrad(params: Tensors): void {
  withLists([params], (addon, [p = 0]) => {
    addon.zeroGrad(p);
  });
}

/** The fused loops. */
export const fused = { adamwStep, sgdStep, larsStep, emaUpdate, gradNorm, clipGradNorm, allFinite, zeroGrad };

function withLists<T>(lists: readonly Tensors[], run: (addon: Engine, positions: readonly number[]) => T): T {
  try {
    return run(
      engine(),
      lists.map((list) => encode.tensors(list) ?? 0),
    );
  } finally {
    encode.clearLists();
  }
}

function handleOf(flag: Tensor | undefined): number {
  return flag === undefined ? -1 : encode.tensor(flag);
}
