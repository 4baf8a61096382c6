// Adam, with weight decay beside the gradient (AdamW) or as a part of it (Adam).

import { full } from '../creation.js';
import { fused } from '../fused.js';
import { foreachAdd, zerosLike } from '../ops.gen.js';
import type { Tensor } from '../tensor.js';
import { type Members, Optimizer, type StateMakers } from './optimizer.js';
import type { GroupSettings, ParameterGroup } from './parameterGroup.js';

export interface AdamOptions {
  readonly betas?: readonly [number, number]; // 0.9, 0.999
  readonly eps?: number; // 1e-8
}

/** Running means of gradients and their squares, and the number of steps taken (float32 []). */
type AdamState = 'exp_avg' | 'exp_avg_sq' | 'step';

const makers: StateMakers<AdamState> = {
  exp_avg: zerosLike,
  exp_avg_sq: zerosLike,
  step: ({ device }) => full([], 0, { device }),
};

/** The update that both have. */
abstract class AdamFamily extends Optimizer<AdamState> {
  readonly #options: Required<AdamOptions>;

  protected constructor(name: string, groups: readonly ParameterGroup[], options: AdamOptions) {
    super(name, groups, makers);
    const { betas = [0.9, 0.999], eps = 1e-8 } = options;
    if (!betas.every((beta) => beta >= 0 && beta < 1)) {
      throw new Error(`${name}: betas must be in [0, 1), got ${betas.join(' and ')}`);
    }
    if (!(eps >= 0)) throw new Error(`${name}: eps must be a number from 0, got ${eps}`);
    this.#options = { betas, eps };
  }

  /** The step of AdamW; Adam's is that of other gradients without decay. */
  protected stepWith(
    { parameters, grads, state }: Members<AdamState>,
    settings: GroupSettings,
    foundInf: Tensor | undefined,
  ): void {
    const {
      betas: [beta1, beta2],
      eps,
    } = this.#options;
    const options = { ...settings, beta1, beta2, eps };
    fused.adamwStep(parameters, grads, state.exp_avg, state.exp_avg_sq, state.step, options, foundInf);
  }
}

/**
 * Adam with decoupled weight decay:
 *   p <- p - lr wd p;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
 *   p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).
 * Source: torch.optim.AdamW with `fused=True`.
 * @example const optimizer = new AdamW([{ name: 'weights', parameters: model.parameters(), weightDecay: 0.05 }]);
 */
export class AdamW extends AdamFamily {
  /** Throws Error for groups that make no sense (see Optimizer), a beta outside [0, 1) and a negative eps. */
  constructor(groups: readonly ParameterGroup[], options: AdamOptions = {}) {
    super('AdamW', groups, options);
  }

  protected override update(members: Members<AdamState>, settings: GroupSettings, foundInf: Tensor | undefined): void {
    this.stepWith(members, settings, foundInf);
  }
}

/**
 * `AdamW` where the decay is a part of the gradient: g <- g + wd p, then as there without decay. Source: torch.optim.Adam.
 * @example const optimizer = new Adam([{ name: 'head', parameters: head.parameters(), weightDecay: 0 }]);
 */
export class Adam extends AdamFamily {
  /** Throws Error as AdamW does. */
  constructor(groups: readonly ParameterGroup[], options: AdamOptions = {}) {
    super('Adam', groups, options);
  }

  protected override update(members: Members<AdamState>, settings: GroupSettings, foundInf: Tensor | undefined): void {
    const { parameters, grads } = members;
    const { lr, weightDecay } = settings;
    const decayed = weightDecay === 0 ? grads : foreachAdd(grads, parameters, { alpha: weightDecay });
    this.stepWith({ ...members, grads: decayed }, { lr, weightDecay: 0 }, foundInf);
  }
}
