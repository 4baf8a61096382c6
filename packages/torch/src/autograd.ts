// Gradients beyond `Tensor.backward`: without accumulation, and the mode in which none are recorded.

import { takeOptionalTensor } from './dispatch.js';
import { engine } from './native.js';
import * as encode from './operands.js';
import { refuseUnfinished } from './scope.js';
import type { Tensor } from './tensor.js';

/** How `grad` runs. */
export interface GradOptions {
  /** The vectors of the vector-Jacobian products, one an output and of its shape. Default: ones, for scalar outputs. */
  readonly gradOutputs?: readonly Tensor[];
  /** Records the computation of the gradients, for gradients of gradients. Default false. */
  readonly createGraph?: boolean;
  /** Keeps the graph for another pass. Default: `createGraph`. */
  readonly retainGraph?: boolean;
  /** An input no output depends on gives undefined instead of an error. Default false. */
  readonly allowUnused?: boolean;
}

/**
 * Gradients of the sum of `outputs` with respect to `inputs`, without touching any `Tensor.grad`.
 * @returns one tensor an input, of its shape; undefined for an unused one when `allowUnused`
 * @example const [dx] = grad([loss], [x]);
 */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  { gradOutputs = [], createGraph = false, retainGraph = createGraph, allowUnused = false }: GradOptions = {},
): (Tensor | undefined)[] {
  const addon = engine();
  try {
    const [outputsAt, inputsAt, gradOutputsAt] = [outputs, inputs, gradOutputs].map(
      (list) => encode.tensors(list) ?? 0,
    );
    const count = addon.grad(outputsAt ?? 0, inputsAt ?? 0, gradOutputsAt ?? 0, retainGraph, createGraph, allowUnused);
    return Array.from({ length: count }, takeOptionalTensor);
  } finally {
    encode.clearLists();
  }
}

/** Whether operators are recorded for gradients now. */
export function isGradEnabled(): boolean {
  return engine().isGradEnabled();
}

/** Runs `fn` without recording anything for gradients. Synchronous. */
export function noGrad<T>(fn: () => T): T {
  return withGradMode(false, 'noGrad', fn);
}

/** Runs `fn` with recording on, inside a `noGrad`. Synchronous. */
export function enableGrad<T>(fn: () => T): T {
  return withGradMode(true, 'enableGrad', fn);
}

/**
 * Runs `fn` without anything that gradients need: `noGrad` whose small operators are some 10 % faster. What is made inside can never
 * take part in a computation with gradients: that is a TorchError. Synchronous; nests, and `enableGrad` inside changes nothing of it.
 * @example const logits = inferenceMode(() => model.forward(images, { train: false, computeDtype: 'float32' }));
 */
export function inferenceMode<T>(fn: () => T): T {
  const addon = engine();
  addon.enterInferenceMode();
  try {
    const result = fn();
    refuseUnfinished('inferenceMode', result);
    return result;
  } finally {
    addon.leaveInferenceMode();
  }
}

function withGradMode<T>(isEnabled: boolean, where: string, fn: () => T): T {
  const before = engine().setGradEnabled(isEnabled);
  try {
    const result = fn();
    refuseUnfinished(where, result);
    return result;
  } finally {
    engine().setGradEnabled(before);
  }
}
