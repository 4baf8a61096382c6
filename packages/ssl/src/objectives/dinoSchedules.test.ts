import { describe, expect, it } from 'vitest';
import { teacherMomentumAt, teacherTempAt } from './dinoSchedules.js';

describe("the teacher's temperature", () => {
  it('rises at every step of DINOv2, by the closed-form golden numbers', () => {
    const options = { temps: [0.04, 0.07], warmupFraction: 0.3, stairs: 0 } as const;
    const at = (step: number): number => teacherTempAt(step, 125_000, options); // 30 of 100 epochs of 1250 iterations
    expect(at(0)).toBeCloseTo(0.04, 13);
    expect(at(1)).toBeCloseTo(0.0400008000213, 13);
    expect(at(18_750)).toBeCloseTo(0.0550004000107, 13);
    expect(at(37_499)).toBeCloseTo(0.07, 13);
    expect(at(37_500)).toBe(0.07);
    expect(at(124_999)).toBe(0.07);
  });

  it('is one number an epoch in iBOT: linspace(0.04, 0.07, 30), then 0.07', () => {
    const options = { temps: [0.04, 0.07], warmupFraction: 30 / 800, stairs: 30 } as const;
    const at = (epoch: number, iteration: number): number => teacherTempAt(epoch * 10 + iteration, 8000, options);
    for (const epoch of [0, 1, 17, 29]) {
      for (const iteration of [0, 9]) expect(at(epoch, iteration)).toBeCloseTo(0.04 + (0.03 * epoch) / 29, 12);
    }
    expect(at(30, 0)).toBe(0.07);
  });

  it('is the final one from the start without a warm-up', () => {
    expect(teacherTempAt(0, 100, { temps: [0.04, 0.07], warmupFraction: 0, stairs: 0 })).toBe(0.07);
    expect(teacherTempAt(0, 100, { temps: [0.04, 0.07], warmupFraction: 0.01, stairs: 0 })).toBe(0.04); // a warm-up of one step
  });
});

describe("the teacher's momentum", () => {
  it('rises to 1 on a cosine, by the closed-form golden numbers', () => {
    const at = (step: number): number => teacherMomentumAt(step, 1000, 0.996);
    expect(at(0)).toBeCloseTo(0.996, 12);
    expect(at(1)).toBeCloseTo(0.9960000099, 10);
    expect(at(500)).toBeCloseTo(0.998, 12);
    expect(at(999)).toBeCloseTo(0.9999999901, 10);
  });
});
