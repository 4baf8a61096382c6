import { describe, expect, it } from 'vitest';
import type { ByParameter, Interval, TaskReports } from '../protocol/report.js';
import { compareArms, comparisonTable, type ArmRun } from './compare.js';

const around = (value: number): Interval => ({ low: value - 0.05, high: value + 0.05 });

function tasks(inside: number, zeros: number, top1: number): TaskReports {
  const all = (value: number): ByParameter<number> => ({
    rotation: value,
    color: 0.5,
    blur: 0.9,
    translation: 0.4,
    mean: value / 4,
  });
  const intervals = (value: number): ByParameter<Interval> => ({
    rotation: around(value),
    color: around(0.5),
    blur: around(0.9),
    translation: around(0.4),
    mean: around(value / 4),
  });
  return {
    r2: {
      inside: all(inside),
      zeros: all(zeros),
      intervals: { inside: intervals(inside), zeros: intervals(zeros) },
      detail: [],
      protocol: '',
    },
    knn: { top1, k: 20, interval: { low: top1 - 5, high: top1 + 5 }, protocol: '' },
  };
}

const runs: readonly ArmRun[] = [
  { arm: 'untrained', seed: 0, tasks: tasks(0.2, 0.17, 32.6) },
  { arm: 'base', seed: 10, tasks: tasks(0.18, 0.52, 49), seconds: 120, imagesPerSecond: 900 },
  { arm: 'base', seed: 11, tasks: tasks(0.28, 0.53, 47.5), seconds: 122, imagesPerSecond: 880 },
  { arm: 'task', seed: 11, tasks: tasks(0.51, 0.72, 45.8), seconds: 150, imagesPerSecond: 700 },
  { arm: 'task', seed: 10, tasks: tasks(0.52, 0.72, 44.3), seconds: 152, imagesPerSecond: 690 },
];

const GAIN = { from: 'base', to: 'task' };

describe('compareArms', () => {
  const { arms, rows } = compareArms(runs, GAIN);
  const row = (figure: string): (typeof rows)[number] | undefined => rows.find((r) => r.figure === figure);

  it('keeps arms and seeds in their order', () => {
    expect(arms).toEqual([
      { arm: 'untrained', seeds: [0] },
      { arm: 'base', seeds: [10, 11] },
      { arm: 'task', seeds: [11, 10] },
    ]);
  });

  it('pairs the gain by seed', () => {
    const gain = row('r2.inside.rotation')?.gain;
    expect(gain?.values).toHaveLength(2);
    expect(gain?.values[0]).toBeCloseTo(0.51 - 0.28, 12); // seed 11
    expect(gain?.values[1]).toBeCloseTo(0.52 - 0.18, 12); // seed 10
  });

  it('has a row for each parameter, border, k-NN and cost, none for a task that nobody ran', () => {
    expect(rows).toHaveLength(5 + 5 + 1 + 2);
    expect(row('linear.top1')).toBeUndefined();
    expect(row('seconds')?.gain).toBeUndefined();
    expect(row('seconds')?.cells['untrained']).toBeUndefined();
  });
});

describe('comparisonTable', () => {
  it('shows the interval of one seed, and the spread over several', () => {
    const lines = comparisonTable(runs, GAIN).split('\n');
    expect(lines[0]).toMatch(/^\| +\| untrained +\| base \(2 seeds\) +\| task \(2 seeds\) +\| task minus base +\|$/);
    expect(lines[2]).toContain('| R2 rotation, inside');
    expect(lines[2]).toContain('0.20 [0.15, 0.25]');
    expect(lines[2]).toContain('0.23 (0.18 to 0.28)');
    expect(lines[2]).toContain('+0.29 (+0.23 to +0.34)');
  });

  it('lines up: every line is as wide as the first', () => {
    const lines = comparisonTable(runs, GAIN).split('\n');
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });

  it('shows where the mean gain lies over photos, when the outcome of each is known', () => {
    const answered = (right: number[]): Pick<ArmRun, 'knnAll'> => ({
      knnAll: { top1: 50, k: 20, interval: around(50), protocol: '', right: Uint8Array.from(right) },
    });
    const same = [
      { arm: 'base', seed: 0, tasks: {}, ...answered([0, 1, 0, 1]) },
      { arm: 'task', seed: 0, tasks: {}, ...answered([0, 1, 0, 1]) },
    ];
    expect(comparisonTable(same, GAIN)).toContain('| +0.0 [+0.0, +0.0]');
    const gain = compareArms([...same, { arm: 'task', seed: 1, tasks: {} }], GAIN).rows[0]?.gain;
    expect(gain).toEqual({ mean: 0, values: [0], interval: { low: 0, high: 0 } });
    // one photo of four gained in one of two seeds: 12.5 points on average, and no resample goes below 0
    const one = compareArms(
      [
        ...same,
        { arm: 'base', seed: 1, tasks: {}, ...answered([0, 0, 0, 0]) },
        { arm: 'task', seed: 1, tasks: {}, ...answered([1, 0, 0, 0]) },
      ],
      GAIN,
    ).rows[0]?.gain;
    expect(one?.interval?.low).toBe(0);
    expect(one?.interval?.high).toBeGreaterThan(20);
  });

  it('has no gain column for one arm', () => {
    expect(comparisonTable(runs.slice(0, 1))).not.toContain('minus');
  });
});
