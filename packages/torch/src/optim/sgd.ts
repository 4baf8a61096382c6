// Stochastic gradient descent, with momentum or without.

import { fused } from '../fused.js';
import { zerosLike } from '../ops.gen.js';
import type { Tensor } from '../tensor.js';
import { type Members, Optimizer } from './optimizer.js';
import type { GroupSettings, ParameterGroup } from './parameterGroup.js';

export interface SgdConfig {
  readonly momentum?: number; // 0
  readonly nesterov?: boolean; // false
}

/**
 *   g <- g + wd p;  m <- momentum m + g (m starts at 0);  p <- p - lr m, or with Nesterov p <- p - lr (g + momentum m).
 * Weight decay is a part of the gradient, not decoupled. Source: torch.optim.SGD.
 * @example const optimizer = new SGD([{ name: 'head', parameters: head.parameters(), weightDecay: 0 }], { momentum: 0.9 });
 */
export class SGD extends Optimizer {
  readonly #config: Required<SgdConfig>;

  /** Throws Error for groups that make no sense (see Optimizer), a momentum outside [0, 1), and Nesterov without momentum. */
  constructor(groups: readonly ParameterGroup[], { momentum = 0, nesterov = false }: SgdConfig = {}) {
    super('SGD', groups, momentum === 0 ? {} : { momentum_buffer: zerosLike });
    checkMomentum('SGD', momentum);
    if (nesterov && momentum === 0) throw new Error('SGD: nesterov needs a momentum, got 0; give one');
    this.#config = { momentum, nesterov };
  }

  protected override update(
    { parameters, grads, state }: Members<string>,
    settings: GroupSettings,
    foundInf: Tensor | undefined,
  ): void {
    // PyTorch sets the buffer to the first gradient; from a buffer of zeros the formula gives the same, also after a skipped step.
    fused.sgdStep(parameters, grads, state['momentum_buffer'] ?? [], { ...this.#config, ...settings }, foundInf);
  }
}

/** Throws Error unless it is in [0, 1). */
export function checkMomentum(where: string, momentum: number): void {
  if (!(momentum >= 0 && momentum < 1)) throw new Error(`${where}: momentum must be in [0, 1), got ${momentum}`);
}
