// AdamW with parameter groups: one native call per group and step.

import { noGrad } from '../autograd.js';
import { full } from '../creation.js';
import { fused } from '../fused.js';
import { zerosLike } from '../ops.gen.js';
import { keep, scope } from '../scope.js';
import type { Tensor } from '../tensor.js';

/** Parameters that share weight decay and learning rate. */
export interface ParameterGroup {
  /** Names the group's state in checkpoints. */
  readonly name: string;
  readonly parameters: readonly Tensor[];
  readonly weightDecay: number;
  /** Factor on the step's learning rate; 1 by default. */
  readonly lrScale?: number;
}

export interface AdamWOptions {
  readonly betas?: readonly [number, number]; // 0.9, 0.999
  readonly eps?: number; // 1e-8
}

/** State of one group: running means of gradients and their squares, and the number of steps taken, each by parameter. */
interface GroupState {
  readonly group: ParameterGroup;
  readonly expAvgs: readonly Tensor[];
  readonly expAvgSqs: readonly Tensor[];
  readonly steps: readonly Tensor[]; // float32 []
}

/**
 * Adam with decoupled weight decay:
 *   p <- p - lr wd p;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
 *   p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).
 * A parameter without a gradient is left alone. Source: torch.optim.AdamW with `fused=True`.
 * @example const optimizer = new AdamW([{ name: 'weights', parameters: model.parameters(), weightDecay: 0.05 }]);
 */
export class AdamW {
  readonly #states: readonly GroupState[];
  readonly #options: Required<AdamWOptions>;

  constructor(groups: readonly ParameterGroup[], { betas = [0.9, 0.999], eps = 1e-8 }: AdamWOptions = {}) {
    this.#options = { betas, eps };
    this.#states = groups.map((group) => ({
      group,
      expAvgs: group.parameters.map(zeroState),
      expAvgSqs: group.parameters.map(zeroState),
      steps: group.parameters.map(() => keep(full([], 0))),
    }));
  }

  /**
   * One update of every parameter that has a gradient.
   * @param foundInf f32 []: where it is 1 the whole step is skipped on the device, state included
   */
  step({ lr }: { readonly lr: number }, foundInf?: Tensor): void {
    const [beta1, beta2] = this.#options.betas;
    scope(() => {
      for (const state of this.#states) {
        const { weightDecay, lrScale = 1 } = state.group;
        const { parameters, grads, expAvgs, expAvgSqs, steps } = withGradients(state);
        const settings = { lr: lr * lrScale, beta1, beta2, eps: this.#options.eps, weightDecay };
        fused.adamwStep(parameters, grads, expAvgs, expAvgSqs, steps, settings, foundInf);
      }
    });
  }

  /** Drops the gradients. */
  zeroGrad(): void {
    for (const { group } of this.#states) fused.zeroGrad(group.parameters);
  }

  /** The state by name (`<group>.<index>.exp_avg`, ...): the tensors themselves, for a checkpoint. */
  stateTensors(): Map<string, Tensor> {
    return new Map(
      this.#states.flatMap(({ group, expAvgs, expAvgSqs, steps }) =>
        group.parameters.flatMap((_, i): [string, Tensor][] => {
          const prefix = `${group.name}.${i}`;
          const entries = { exp_avg: expAvgs[i], exp_avg_sq: expAvgSqs[i], step: steps[i] };
          return Object.entries(entries).flatMap(([key, tensor]) => (tensor ? [[`${prefix}.${key}`, tensor]] : []));
        }),
      ),
    );
  }

  /** Copies a state of the same names and shapes. Throws Error naming what is missing or differs. */
  loadStateTensors(state: ReadonlyMap<string, Tensor>): void {
    const own = this.stateTensors();
    const wrong = [...own].filter(([name, tensor]) => state.get(name)?.shape.join() !== tensor.shape.join());
    if (wrong.length > 0 || state.size !== own.size) {
      const names = wrong.map(([name]) => name).join(', ') || 'none of ours';
      throw new Error(
        `AdamW: the state must be of these parameters, got ${state.size} tensors for ${own.size}, missing or misshapen: ${names}`,
      );
    }
    noGrad(() => {
      for (const [name, tensor] of own) {
        const given = state.get(name);
        if (given !== undefined) tensor.copy_(given);
      }
    });
  }
}

function zeroState(parameter: Tensor): Tensor {
  return keep(noGrad(() => zerosLike(parameter)));
}

/** The parameters of a group that have a gradient, with their gradients and state. */
function withGradients(state: GroupState): Omit<GroupState, 'group'> & { parameters: Tensor[]; grads: Tensor[] } {
  const grads = state.group.parameters.map((parameter) => parameter.grad);
  const present = <T>(list: readonly T[]): T[] => list.filter((_, i) => grads[i] !== undefined);
  return {
    parameters: present(state.group.parameters),
    grads: grads.filter((grad) => grad !== undefined),
    expAvgs: present(state.expAvgs),
    expAvgSqs: present(state.expAvgSqs),
    steps: present(state.steps),
  };
}
