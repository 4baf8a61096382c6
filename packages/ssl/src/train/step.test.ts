/** The step's order is read in step.ts; here: what it changes, and that a bad one changes nothing. */
import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import type { DeviceBatch } from '../data/batch.js';
import { linearWithTask } from '../objectives/linearBase.case.js';
import { randomBatch, stepParams } from '../objectives/objective.case.js';
import type { Objective, ObjectiveOutput } from '../objectives/objective.js';
import { tinyConfig } from '../run/scratch.case.js';
import { checkpointTensors, createTrainState, type TrainState } from './state.js';
import { trainStep } from './step.js';
import type { StepParams } from './schedule.js';

/** A training state around the made-up objective of objectives/linearBase.case.ts, whose output can be changed. */
function stateOf(
  change: (output: ObjectiveOutput, objective: Objective) => Partial<ObjectiveOutput> = () => ({}),
): TrainState {
  const objective = linearWithTask();
  return createTrainState(tinyConfig('optim.weightDecay=0.1'), 'float32', {
    ...objective,
    forward: (...args) => {
      const output = objective.forward(...args);
      return { ...output, ...change(output, objective) };
    },
  });
}

function paramsOf({ objective }: TrainState, change: Partial<StepParams> = {}): StepParams {
  return { ...stepParams(objective), lr: 0.01, lastLayerLr: 0.01, encoderLr: 0.01, weightDecay: 0.1, ...change };
}

function batchOf({ objective }: TrainState): DeviceBatch {
  return randomBatch(objective.views);
}

/** Every number that a step may change, by name. */
function numbersOf(state: TrainState): Record<string, number[]> {
  const { model, optimizer } = checkpointTensors(state);
  return Object.fromEntries([...model, ...optimizer].map(([name, tensor]) => [name, [...numbers(tensor)]]));
}

function numbers(tensor: Tensor): number[] {
  return [...(tensor.toTypedArray() as Float32Array)];
}

torch.setNumThreads(1); // many tiny operators: threads would only wait for each other

/** One step; its objective state takes the place of the one before, as the loop does it. */
function step(state: TrainState, change: Partial<StepParams> = {}): Record<string, number> {
  const { scalars, objectiveState } = trainStep(state, batchOf(state), paramsOf(state, change));
  state.objectiveState = objectiveState;
  return Object.fromEntries(Object.entries(scalars).map(([name, scalar]) => [name, scalar.item()]));
}

describe('trainStep', () => {
  it('moves every parameter, counts the step, carries the state on, and returns detached scalars', () => {
    torch.scope(() => {
      const state = stateOf();
      const before = numbersOf(state);
      const output = trainStep(state, batchOf(state), paramsOf(state));
      state.objectiveState = output.objectiveState;
      const after = numbersOf(state);
      for (const name of Object.keys(before)) expect([name, after[name]]).not.toEqual([name, before[name]]);
      expect(after['objective.count']).toEqual([1]);
      const { scalars, pooled } = output;
      expect(Object.keys(scalars)).toEqual([
        'loss',
        'base',
        'recon',
        'reconInside',
        'reconOutside',
        'reconOverUninformed',
        'gradNorm',
        'finite',
      ]);
      for (const scalar of Object.values(scalars)) expect([scalar.requiresGrad, scalar.rank]).toEqual([false, 0]);
      expect([pooled.shape, pooled.requiresGrad]).toEqual([[4, 2], false]);
    });
  });

  it('minimises the weighted sum of the terms', () => {
    torch.scope(() => {
      const state = stateOf();
      const { loss = NaN, base = NaN, recon = NaN } = step(state, { weights: { base: 3, recon: 0.5 } });
      expect(loss).toBeCloseTo(3 * base + 0.5 * recon, 5);
      const losses = Array.from({ length: 30 }, () => step(state)['loss'] ?? NaN);
      expect(losses.at(-1)).toBeLessThan(0.9 * (losses[0] ?? NaN));
      expect(() => step(state, { weights: { base: 1 } })).toThrow('no weight for its term recon');
    });
  });

  it('clips the gradient to the norm it is told, and reports the norm before', () => {
    torch.scope(() => {
      const state = stateOf();
      const { gradNorm = NaN } = step(state, { clipNorm: 1e-3 });
      expect(gradNorm).toBeGreaterThan(0.01);
      const averages = Object.entries(numbersOf(state)).filter(([name]) => name.endsWith('exp_avg'));
      const norm = Math.hypot(...averages.flatMap(([, values]) => values));
      expect(norm).toBeCloseTo(0.1 * 1e-3, 7); // the first moment after one step: (1 - beta1) of the clipped gradient
    });
  });

  it('lets the teacher follow: momentum times itself, and the rest of the new weights', () => {
    torch.scope(() => {
      const teacher = { network: linearWithTask().network, momentumAt: () => 0.75 };
      const state = createTrainState(tinyConfig(), 'float32', { ...linearWithTask(), teacher });
      const values = (): Record<string, number[]> => numbersOf(state);
      const before = values();
      const names = Object.keys(before).filter((name) => name.startsWith('teacher.'));
      expect(names.length).toBeGreaterThan(4);
      for (const name of names) expect(before[name]).toEqual(before[name.slice('teacher.'.length)]);
      step(state);
      const after = values();
      for (const name of names) {
        const student = after[name.slice('teacher.'.length)] ?? [];
        const wanted = before[name]?.map((value, i) => 0.75 * value + 0.25 * (student[i] ?? NaN)) ?? [];
        after[name]?.forEach((value, i) => expect(value).toBeCloseTo(wanted[i] ?? NaN, 6));
      }
    });
  });

  const bad: [what: string, change: (output: ObjectiveOutput, objective: Objective) => Partial<ObjectiveOutput>][] = [
    ['a term', ({ terms }) => ({ terms: { ...terms, base: torch.full([], NaN) } })],
    [
      'a gradient alone',
      ({ terms }, { network }) => {
        const [parameter] = network.parameters();
        const zero = parameter?.mul(0).sqrt().sum() ?? torch.zeros([]); // 0, with an infinite slope
        return { terms: { ...terms, base: terms['base']?.add(zero) ?? zero } };
      },
    ],
    ["the objective's next state alone", () => ({ state: { count: torch.full([1], Infinity) } })],
  ];
  for (const [what, change] of bad) {
    it(`changes nothing at all when ${what} is not finite`, () => {
      torch.scope(() => {
        let isBad = false;
        const state = stateOf((...args) => (isBad ? change(...args) : {}));
        expect(step(state)['finite']).toBe(1);
        const before = numbersOf(state);
        isBad = true;
        expect(step(state)['finite']).toBe(0);
        expect(numbersOf(state)).toEqual(before);
        isBad = false;
        expect(step(state)['finite']).toBe(1);
        expect(numbersOf(state)).not.toEqual(before);
      });
    });
  }

  it('leaves no tensor and no graph behind: as much memory after 200 steps as after 10', () => {
    torch.scope(() => {
      const state = stateOf();
      const batch = batchOf(state);
      const params = paramsOf(state);
      const run = (count: number): { liveBytes: number; liveTensors: number } => {
        for (let i = 0; i < count; i++) {
          const kept = torch.scope(() => trainStep(state, batch, params).objectiveState);
          for (const tensor of Object.values(state.objectiveState)) tensor.dispose();
          state.objectiveState = kept;
        }
        const { liveBytes, liveTensors } = torch.memory.stats();
        return { liveBytes, liveTensors };
      };
      expect([run(10), run(190)].map(({ liveTensors }) => liveTensors)).toEqual([
        run(0).liveTensors,
        run(0).liveTensors,
      ]);
      expect(run(10).liveBytes).toBe(run(50).liveBytes);
    });
  });
});
