// What all optimizers share: groups, state and its way to a checkpoint, and the frame of a step. An optimizer adds its update rule.

import { noGrad } from '../autograd.js';
import { fused } from '../fused.js';
import { copyState } from '../nn/stateDict.js';
import { keep, scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import {
  type GroupSettings,
  type ParameterGroup,
  type StepOptions,
  checkGroups,
  groupSettings,
} from './parameterGroup.js';

/** What is remembered of a parameter at the start, by kind. Names of kinds are PyTorch's. */
export type StateMakers<Kind extends string> = Readonly<Record<Kind, (parameter: Tensor) => Tensor>>;

/** One tensor a parameter for each kind of state. */
export type StateLists<Kind extends string> = Readonly<Record<Kind, readonly Tensor[]>>;

/** The parameters of a group that have a gradient, with it and their state. */
export interface Members<Kind extends string> {
  readonly parameters: readonly Tensor[];
  readonly grads: readonly Tensor[];
  readonly state: StateLists<Kind>;
}

interface GroupState<Kind extends string> {
  readonly group: ParameterGroup;
  readonly lists: StateLists<Kind>;
}

/**
 * Groups of parameters with an update rule. A parameter without a gradient is left alone. The learning rate is no state: it comes with
 * every step.
 * @example
 * loss.backward();
 * const gradNorm = clipGradNorm(parameters, 1);
 * const finite = allFinite([loss.detach(), gradNorm]);
 * optimizer.step({ lr: cosineSchedule(step, schedule) }, finite.neg().add(1));
 * optimizer.zeroGrad();
 */
export abstract class Optimizer<Kind extends string = string> {
  readonly #name: string;
  readonly #states: readonly GroupState<Kind>[];

  /** Throws Error when names of groups repeat, a parameter is in two places, or a decay or scale is negative. */
  protected constructor(name: string, groups: readonly ParameterGroup[], makers: StateMakers<Kind>) {
    checkGroups(name, groups);
    this.#name = name;
    this.#states = groups.map((group) => ({ group, lists: createState(group, makers) }));
  }

  /**
   * One update of every parameter that has a gradient.
   * @param foundInf f32 []: where it is 1 the whole step is skipped on the device, state included
   * Throws Error for a number that is negative or not finite, before anything is changed.
   */
  step(options: StepOptions, foundInf?: Tensor): void {
    const settings = groupSettings(
      this.#name,
      this.#states.map(({ group }) => group),
      options,
    );
    scope(() =>
      noGrad(() => {
        for (const [i, state] of this.#states.entries()) {
          const [members, own] = [membersOf(state), settings[i]];
          if (members.grads.length > 0 && own !== undefined) this.update(members, own, foundInf);
        }
      }),
    );
  }

  /** The rule: changes parameters and state in place. Runs in a scope, and nothing is recorded for gradients. */
  protected abstract update(members: Members<Kind>, settings: GroupSettings, foundInf: Tensor | undefined): void;

  /** Drops the gradients. */
  zeroGrad(): void {
    for (const { group } of this.#states) fused.zeroGrad(group.parameters);
  }

  /** The state by name, `<group>.<position in the group>.<kind>`: the tensors themselves, for a checkpoint. */
  stateTensors(): Map<string, Tensor> {
    return new Map(
      this.#states.flatMap(({ group, lists }) =>
        Object.entries<readonly Tensor[]>(lists).flatMap(([kind, list]) =>
          list.map((tensor, i): [string, Tensor] => [`${group.name}.${i}.${kind}`, tensor]),
        ),
      ),
    );
  }

  /** Copies a state of the same names and shapes. Throws StateDictError naming every difference, before anything is copied. */
  loadStateTensors(state: ReadonlyMap<string, Tensor>): void {
    copyState(this.#name, this.stateTensors(), state);
  }
}

function createState<Kind extends string>({ parameters }: ParameterGroup, makers: StateMakers<Kind>): StateLists<Kind> {
  const entries = Object.entries<(parameter: Tensor) => Tensor>(makers).map(([kind, make]) => [
    kind,
    parameters.map((parameter) => keep(noGrad(() => make(parameter)))),
  ]);
  return Object.fromEntries(entries) as StateLists<Kind>;
}

function membersOf<Kind extends string>({ group, lists }: GroupState<Kind>): Members<Kind> {
  const grads = group.parameters.map((parameter) => parameter.grad);
  const present = <T>(list: readonly T[]): T[] => list.filter((_, i) => grads[i] !== undefined);
  const entries = Object.entries<readonly Tensor[]>(lists).map(([kind, list]) => [kind, present(list)]);
  return {
    parameters: present(group.parameters),
    grads: grads.filter((grad) => grad !== undefined),
    state: Object.fromEntries(entries) as StateLists<Kind>,
  };
}
