// Groups of parameters and what a step is told of them: types and their checks, no state.

import type { Tensor } from '../tensor.js';

/** Parameters that share weight decay and learning rate. */
export interface ParameterGroup {
  /** Names the group's state in checkpoints; no two groups of an optimizer share one. */
  readonly name: string;
  readonly parameters: readonly Tensor[];
  readonly weightDecay: number;
  /** Factor on the step's learning rate; 1 by default. */
  readonly lrScale?: number;
}

/** One number for all groups, or one for each group's name. */
export type PerGroup = number | Readonly<Record<string, number>>;

/** What changes from step to step: plain numbers, from schedules that are functions of the step. */
export interface StepOptions {
  readonly lr: PerGroup;
  /** Factor on a group's weight decay, for schedules of it; 1 by default. */
  readonly weightDecayScale?: PerGroup;
}

/** A group's numbers of one step. */
export interface GroupSettings {
  readonly lr: number;
  readonly weightDecay: number;
}

/** Throws Error when names repeat, a parameter is in two places, or a factor is negative or not finite. */
export function checkGroups(where: string, groups: readonly ParameterGroup[]): void {
  const [names, parameters] = [new Set<string>(), new Set<Tensor>()];
  for (const { name, parameters: own, weightDecay, lrScale = 1 } of groups) {
    if (names.has(name)) throw new Error(`${where}: every group must have its own name, got ${name} twice`);
    names.add(name);
    expectFactor(where, `weightDecay of ${name}`, weightDecay);
    expectFactor(where, `lrScale of ${name}`, lrScale);
    for (const [i, parameter] of own.entries()) {
      if (parameters.has(parameter)) {
        throw new Error(`${where}: a parameter must be in one group once, got parameter ${i} of ${name} again`);
      }
      parameters.add(parameter);
    }
  }
}

/** What a step means for each group. Throws Error for a number that is negative or not finite, and for names that are not the groups'. */
export function groupSettings(
  where: string,
  groups: readonly ParameterGroup[],
  { lr, weightDecayScale = 1 }: StepOptions,
): GroupSettings[] {
  const [rates, scales] = [
    perGroup(where, 'lr', lr, groups),
    perGroup(where, 'weightDecayScale', weightDecayScale, groups),
  ];
  return groups.map(({ name, weightDecay, lrScale = 1 }) => ({
    lr: rates(name) * lrScale,
    weightDecay: weightDecay * scales(name),
  }));
}

function perGroup(
  where: string,
  what: string,
  value: PerGroup,
  groups: readonly ParameterGroup[],
): (name: string) => number {
  if (typeof value === 'number') {
    expectFactor(where, what, value);
    return () => value;
  }
  const [names, given] = [groups.map(({ name }) => name), Object.keys(value)];
  if (names.length !== given.length || names.some((name) => !Object.hasOwn(value, name))) {
    throw new Error(`${where}: ${what} must have one number a group (${names.join(', ')}), got ${given.join(', ')}`);
  }
  for (const name of names) expectFactor(where, `${what} of ${name}`, value[name] ?? Number.NaN);
  return (name) => value[name] ?? Number.NaN;
}

function expectFactor(where: string, what: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) {
    throw new Error(`${where}: ${what} must be a finite number from 0, got ${value}`);
  }
}
