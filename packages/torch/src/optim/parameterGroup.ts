// Groups of parameters and what a step is told: types and their checks, no state.

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

/** What changes from step to step. */
export interface StepOptions {
  readonly lr: number;
  /** Factor on every group's weight decay, for schedules of it; 1 by default. */
  readonly weightDecayScale?: number;
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

/** Throws Error unless the options of a step are numbers from 0. */
export function checkStep(where: string, { lr, weightDecayScale = 1 }: StepOptions): void {
  expectFactor(where, 'lr', lr);
  expectFactor(where, 'weightDecayScale', weightDecayScale);
}

function expectFactor(where: string, what: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) {
    throw new Error(`${where}: ${what} must be a finite number from 0, got ${value}`);
  }
}
