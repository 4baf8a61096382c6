// LARS: steps in proportion to each layer's weights, for large batches.

import { fused } from '../fused.js';
import { zerosLike } from '../ops.gen.js';
import type { Tensor } from '../tensor.js';
import { type Members, Optimizer } from './optimizer.js';
import type { GroupSettings, ParameterGroup } from './parameterGroup.js';
import { checkMomentum } from './sgd.js';

export interface LarsConfig {
  readonly momentum?: number; // 0.9
  readonly trustCoefficient?: number; // eta; 0.001
}

/**
 *   g <- g + wd p;  g <- eta |p| / |g| g (as it is where a norm is 0);  m <- momentum m + g;  p <- p - lr m.
 * Biases and the parameters of norms, which have one dimension, take neither weight decay nor the ratio: they are SGD with momentum.
 * Source: You, Gitman and Ginsburg 2017 (arXiv 1708.03888); the form and the exclusions are those of VICReg's main_vicreg.py.
 * @example const optimizer = new LARS([{ name: 'all', parameters: model.parameters(), weightDecay: 1e-6 }]);
 */
export class LARS extends Optimizer<'momentum_buffer'> {
  readonly #config: Required<LarsConfig>;

  /** Throws Error for groups that make no sense (see Optimizer), a momentum outside [0, 1), and a coefficient that is not positive. */
  constructor(groups: readonly ParameterGroup[], { momentum = 0.9, trustCoefficient = 0.001 }: LarsConfig = {}) {
    super('LARS', groups, { momentum_buffer: zerosLike });
    checkMomentum('LARS', momentum);
    if (!(trustCoefficient > 0)) throw new Error(`LARS: trustCoefficient must be above 0, got ${trustCoefficient}`);
    this.#config = { momentum, trustCoefficient };
  }

  protected override update(
    { parameters, grads, state }: Members<'momentum_buffer'>,
    settings: GroupSettings,
    foundInf: Tensor | undefined,
  ): void {
    const isAdapted = parameters.map(({ rank }) => rank > 1);
    fused.larsStep(parameters, grads, state.momentum_buffer, { ...this.#config, ...settings, isAdapted }, foundInf);
  }
}
