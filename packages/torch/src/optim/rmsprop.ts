// RMSprop: steps in proportion to each gradient over a running mean of its size.

import { fused } from '../fused.js';
import { foreachAdd, where, zerosLike } from '../ops.gen.js';
import type { Tensor } from '../tensor.js';
import { type Members, Optimizer } from './optimizer.js';
import type { GroupSettings, ParameterGroup } from './parameterGroup.js';
import { checkMomentum } from './sgd.js';

export interface RMSpropConfig {
  readonly alpha?: number; // share of the running mean that stays; 0.99
  readonly eps?: number; // 1e-8
  readonly momentum?: number; // 0
  readonly centered?: boolean; // false
}

/**
 *   g <- g + wd p;  v <- alpha v + (1 - alpha) g^2;  u <- g / (sqrt(v) + eps);  m <- momentum m + u;  p <- p - lr m.
 * Centered, v - a^2 with a <- alpha a + (1 - alpha) g stands under the root: the variance. Source: torch.optim.RMSprop.
 * @example const optimizer = new RMSprop([{ name: 'all', parameters: model.parameters(), weightDecay: 0 }], { momentum: 0.9 });
 */
export class RMSprop extends Optimizer {
  readonly #config: Required<RMSpropConfig>;

  /** Throws Error for groups that make no sense (see Optimizer), an alpha or momentum outside [0, 1), and a negative eps. */
  constructor(groups: readonly ParameterGroup[], config: RMSpropConfig = {}) {
    const { alpha = 0.99, eps = 1e-8, momentum = 0, centered = false } = config;
    super('RMSprop', groups, {
      square_avg: zerosLike,
      ...(centered ? { grad_avg: zerosLike } : {}),
      ...(momentum === 0 ? {} : { momentum_buffer: zerosLike }),
    });
    checkMomentum('RMSprop', momentum);
    if (!(alpha >= 0 && alpha < 1)) throw new Error(`RMSprop: alpha must be in [0, 1), got ${alpha}`);
    if (!(eps >= 0)) throw new Error(`RMSprop: eps must be a number from 0, got ${eps}`);
    this.#config = { alpha, eps, momentum, centered };
  }

  protected override update(
    { parameters, grads, state }: Members<string>,
    { lr, weightDecay }: GroupSettings,
    foundInf: Tensor | undefined,
  ): void {
    const { alpha, eps, momentum } = this.#config;
    const { square_avg: squares = [], grad_avg: means = [], momentum_buffer: buffers = [] } = state;
    const isSkipped = foundInf?.gt(0);
    const remember = (average: Tensor, value: Tensor): void => {
      const next = average.mul(alpha).add(value, { alpha: 1 - alpha });
      average.copy_(isSkipped === undefined ? next : where(isSkipped, average, next));
    };
    const decayed = weightDecay === 0 ? grads : foreachAdd(grads, parameters, { alpha: weightDecay });
    const updates = decayed.map((grad, i) => {
      const [square, mean] = [squares[i] ?? grad, means[i]];
      remember(square, grad.square());
      if (mean !== undefined) remember(mean, grad);
      const variance = mean === undefined ? square : square.sub(mean.square());
      return grad.div(variance.sqrt().add(eps));
    });
    fused.sgdStep(parameters, updates, buffers, { lr, momentum }, foundInf);
  }
}
