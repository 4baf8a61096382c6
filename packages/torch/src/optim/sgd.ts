// Stochastic gradient descent with momentum: one native call per group and step.

import { fused } from '../fused.js';
import { zerosLike } from '../ops.gen.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { type GroupState, createState, loadStateTensors, stateTensors, withGradients } from './optimizerState.js';
import { type ParameterGroup, type StepOptions, checkGroups, checkStep } from './parameterGroup.js';

export interface SgdConfig {
  readonly momentum?: number; // 0
  readonly nesterov?: boolean; // false
}

/**
 *   g <- g + wd p;  m <- momentum m + g (m starts at 0);  p <- p - lr m, or with Nesterov p <- p - lr (g + momentum m).
 * Weight decay is a part of the gradient, not decoupled. A parameter without a gradient is left alone. Source: torch.optim.SGD.
 * @example const optimizer = new SGD([{ name: 'head', parameters: head.parameters(), weightDecay: 0 }], { momentum: 0.9 });
 */
export class SGD {
  readonly #states: readonly GroupState<'momentum_buffer'>[];
  readonly #config: Required<SgdConfig>;

  /** Throws Error as AdamW does, for a momentum outside [0, 1), and for Nesterov without momentum. */
  constructor(groups: readonly ParameterGroup[], { momentum = 0, nesterov = false }: SgdConfig = {}) {
    checkGroups('SGD', groups);
    if (!(momentum >= 0 && momentum < 1)) throw new Error(`SGD: momentum must be in [0, 1), got ${momentum}`);
    if (nesterov && momentum === 0) throw new Error('SGD: nesterov needs a momentum, got 0; give one');
    this.#config = { momentum, nesterov };
    this.#states = groups.map((group) =>
      momentum === 0 ? { group, lists: { momentum_buffer: [] } } : createState(group, { momentum_buffer: zerosLike }),
    );
  }

  /**
   * One update of every parameter that has a gradient.
   * @param foundInf f32 []: where it is 1 the whole step is skipped on the device, state included
   */
  step(options: StepOptions, foundInf?: Tensor): void {
    checkStep('SGD', options);
    const { lr, weightDecayScale = 1 } = options;
    scope(() => {
      for (const state of this.#states) {
        const { weightDecay, lrScale = 1 } = state.group;
        const { parameters, grads, lists } = withGradients(state);
        // PyTorch sets the buffer to the first gradient; from a buffer of zeros the formula gives the same, also after a skipped step.
        const settings = { ...this.#config, lr: lr * lrScale, weightDecay: weightDecay * weightDecayScale };
        fused.sgdStep(parameters, grads, lists.momentum_buffer, settings, foundInf);
      }
    });
  }

  /** Drops the gradients. */
  zeroGrad(): void {
    for (const { group } of this.#states) fused.zeroGrad(group.parameters);
  }

  /** The state by name (`<group>.<position>.momentum_buffer`): the tensors themselves, for a checkpoint. */
  stateTensors(): Map<string, Tensor> {
    return stateTensors(this.#states);
  }

  /** Copies a state of the same names and shapes. Throws StateDictError naming every difference, before anything is copied. */
  loadStateTensors(state: ReadonlyMap<string, Tensor>): void {
    loadStateTensors('SGD', this.#states, state);
  }
}
