// What an optimizer remembers of each parameter, by group and kind, and how it reaches a checkpoint and the fused loops.

import { noGrad } from '../autograd.js';
import { copyState } from '../nn/stateDict.js';
import { keep } from '../scope.js';
import type { Tensor } from '../tensor.js';
import type { ParameterGroup } from './parameterGroup.js';

/** One tensor a parameter for each kind of state. */
export type StateLists<Kind extends string> = Readonly<Record<Kind, readonly Tensor[]>>;

/** A group and its state. */
export interface GroupState<Kind extends string> {
  readonly group: ParameterGroup;
  readonly lists: StateLists<Kind>;
}

/** A new state, kept out of scopes: `make` gives a parameter's tensor of each kind. */
export function createState<Kind extends string>(
  group: ParameterGroup,
  make: Readonly<Record<Kind, (parameter: Tensor) => Tensor>>,
): GroupState<Kind> {
  const entries = Object.entries<(parameter: Tensor) => Tensor>(make).map(([kind, create]) => [
    kind,
    group.parameters.map((parameter) => keep(noGrad(() => create(parameter)))),
  ]);
  return { group, lists: Object.fromEntries(entries) as StateLists<Kind> };
}

/** The parameters that have a gradient, the gradients, and their state. The gradients belong to the current scope. */
export function withGradients<Kind extends string>({
  group,
  lists,
}: GroupState<Kind>): {
  parameters: Tensor[];
  grads: Tensor[];
  lists: StateLists<Kind>;
} {
  const grads = group.parameters.map((parameter) => parameter.grad);
  const present = <T>(list: readonly T[]): T[] => list.filter((_, i) => grads[i] !== undefined);
  const entries = Object.entries<readonly Tensor[]>(lists).map(([kind, list]) => [kind, present(list)]);
  return {
    parameters: present(group.parameters),
    grads: grads.filter((grad) => grad !== undefined),
    lists: Object.fromEntries(entries) as StateLists<Kind>,
  };
}

/** `<group>.<position in the group>.<kind>` to the tensors themselves. */
export function stateTensors<Kind extends string>(states: readonly GroupState<Kind>[]): Map<string, Tensor> {
  return new Map(
    states.flatMap(({ group, lists }) =>
      Object.entries<readonly Tensor[]>(lists).flatMap(([kind, list]) =>
        list.map((tensor, i): [string, Tensor] => [`${group.name}.${i}.${kind}`, tensor]),
      ),
    ),
  );
}

/** Copies a state of the same names and shapes. Throws StateDictError naming every difference, before anything is copied. */
export function loadStateTensors<Kind extends string>(
  where: string,
  states: readonly GroupState<Kind>[],
  given: ReadonlyMap<string, Tensor>,
): void {
  copyState(where, stateTensors(states), given);
}
