// AdamW with parameter groups: one native call per group and step.

import { full } from '../creation.js';
import { fused } from '../fused.js';
import { zerosLike } from '../ops.gen.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { type GroupState, createState, loadStateTensors, stateTensors, withGradients } from './optimizerState.js';
import { type ParameterGroup, type StepOptions, checkGroups, checkStep } from './parameterGroup.js';

export interface AdamWOptions {
  readonly betas?: readonly [number, number]; // 0.9, 0.999
  readonly eps?: number; // 1e-8
}

/** Running means of gradients and their squares, and the number of steps taken (float32 []). */
type AdamWState = GroupState<'exp_avg' | 'exp_avg_sq' | 'step'>;

/**
 * Adam with decoupled weight decay:
 *   p <- p - lr wd p;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
 *   p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).
 * A parameter without a gradient is left alone. Source: torch.optim.AdamW with `fused=True`.
 * @example const optimizer = new AdamW([{ name: 'weights', parameters: model.parameters(), weightDecay: 0.05 }]);
 */
export class AdamW {
  readonly #states: readonly AdamWState[];
  readonly #options: Required<AdamWOptions>;

  /** Throws Error when names of groups repeat, a parameter is in two places, or a decay or scale is negative. */
  constructor(groups: readonly ParameterGroup[], { betas = [0.9, 0.999], eps = 1e-8 }: AdamWOptions = {}) {
    checkGroups('AdamW', groups);
    this.#options = { betas, eps };
    this.#states = groups.map((group) =>
      createState(group, { exp_avg: zerosLike, exp_avg_sq: zerosLike, step: () => full([], 0) }),
    );
  }

  /**
   * One update of every parameter that has a gradient.
   * @param foundInf f32 []: where it is 1 the whole step is skipped on the device, state included
   */
  step(options: StepOptions, foundInf?: Tensor): void {
    checkStep('AdamW', options);
    const { lr, weightDecayScale = 1 } = options;
    const [beta1, beta2] = this.#options.betas;
    scope(() => {
      for (const state of this.#states) {
        const { weightDecay, lrScale = 1 } = state.group;
        const { parameters, grads, lists } = withGradients(state);
        const settings = {
          lr: lr * lrScale,
          beta1,
          beta2,
          eps: this.#options.eps,
          weightDecay: weightDecay * weightDecayScale,
        };
        fused.adamwStep(parameters, grads, lists.exp_avg, lists.exp_avg_sq, lists.step, settings, foundInf);
      }
    });
  }

  /** Drops the gradients. */
  zeroGrad(): void {
    for (const { group } of this.#states) fused.zeroGrad(group.parameters);
  }

  /** The state by name (`<group>.<position>.exp_avg`, `.exp_avg_sq`, `.step`): the tensors themselves, for a checkpoint. */
  stateTensors(): Map<string, Tensor> {
    return stateTensors(this.#states);
  }

  /** Copies a state of the same names and shapes. Throws StateDictError naming every difference, before anything is copied. */
  loadStateTensors(state: ReadonlyMap<string, Tensor>): void {
    loadStateTensors('AdamW', this.#states, state);
  }
}
