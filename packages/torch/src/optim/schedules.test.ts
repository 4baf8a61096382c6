// Schedules against torch.optim.lr_scheduler (fixtures/optim.py).

import { describe, expect, it } from 'vitest';
import { Fixture } from '../testing/fixture.case.js';
import { cosineSchedule, polynomialSchedule, stepSchedule } from './index.js';

const fixture = new Fixture('optim');
const [base, totalSteps] = [0.5, 20];
const warmup = { warmupSteps: 5, warmupFactor: 0.1 };

const schedules: Readonly<Record<string, (step: number) => number>> = {
  cosine: (step) => cosineSchedule(step, { base, totalSteps }),
  cosineWarm: (step) => cosineSchedule(step, { base, final: 0.02, totalSteps, ...warmup }),
  polynomial: (step) => polynomialSchedule(step, { base, totalSteps: 16, power: 0.9 }),
  polynomialWarm: (step) => polynomialSchedule(step, { base, totalSteps, power: 2, ...warmup }),
  step: (step) => stepSchedule(step, { base, factor: 0.3, milestones: [6, 11, 12] }),
  stepWarm: (step) => stepSchedule(step, { base, milestones: [6, 12], ...warmup }),
};

describe('schedules', () => {
  it.each(Object.keys(schedules))('%s equals PyTorch at every step', (name) => {
    const expected = fixture.get(`schedule/${name}`).toArray() as number[];
    expect(expected).toHaveLength(totalSteps + 1);
    expected.forEach((value, step) => {
      expect(schedules[name]?.(step), `step ${step}`).toBeCloseTo(value, 12);
    });
  });

  it('stay where they end, and begin a warm-up without a factor at 0', () => {
    expect(cosineSchedule(1000, { base, final: 0.1, totalSteps })).toBeCloseTo(0.1, 15);
    expect(polynomialSchedule(1000, { base, final: 0.1, totalSteps })).toBe(0.1);
    expect([0, 2, 4].map((step) => polynomialSchedule(step, { base: 1, totalSteps: 8, warmupSteps: 4 }))).toEqual([
      0, 0.5, 1,
    ]);
  });

  it('refuse a step below 0 and a warm-up as long as the whole', () => {
    expect(() => cosineSchedule(-1, { base, totalSteps })).toThrow(
      'cosineSchedule: step must be a number from 0, got -1',
    );
    expect(() => stepSchedule(Number.NaN, { base, milestones: [] })).toThrow('stepSchedule: step must be');
    expect(() => polynomialSchedule(0, { base, totalSteps: 5, warmupSteps: 5 })).toThrow(
      'polynomialSchedule: totalSteps must be more than warmupSteps, got 5 and 5',
    );
  });
});
