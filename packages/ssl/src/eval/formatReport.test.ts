import { describe, expect, it } from 'vitest';
import type { EvalReport, R2Report, TaskReports } from '../protocol/report.js';
import { formatReport, gainOverUntrained } from './formatReport.js';

const figures = { rotation: 0.514, color: 0.8, blur: 0.9, translation: 0.4, mean: 0.65 };
const span = { low: 0.46, high: 0.56 };
const spans = { rotation: span, color: span, blur: span, translation: span, mean: span };
const r2: R2Report = {
  inside: figures,
  zeros: { ...figures, rotation: 0.72 },
  intervals: { inside: spans, zeros: spans },
  detail: [],
  protocol: '6 thetas a photo',
};
const knn = { top1: 44.25, k: 20, interval: { low: 39.1, high: 49.6 }, protocol: 'k-NN, k = 20' };
const untrained: TaskReports = { r2: { ...r2, inside: { ...figures, rotation: 0.2 } }, knn: { ...knn, top1: 32.6 } };

const report: EvalReport = {
  version: 1,
  source: 'runs/a, step 5000',
  features: 'mean',
  data: { train: 'photos: 80 %', test: 'photos: 20 %', numTrain: 3068, numTest: 341, hash: 'c0ffee' },
  tasks: {
    ...{ r2, knn },
    rank: { effectiveRank: 31.26, featureDim: 192, interval: { low: 30.1, high: 32.4 }, protocol: 'effective rank' },
  },
  seconds: 61.2,
  timings: { features: 40, knn: 0.1 },
};

describe('formatReport', () => {
  it('says what was evaluated on which photos, and prints each number with interval and protocol', () => {
    const text = formatReport(report);
    expect(text).toContain('runs/a, step 5000, features: mean');
    expect(text).toContain('test: 341 photos (photos: 20 %)');
    expect(text).toMatch(/rotation +0\.51 \[0\.46, 0\.56\] +0\.72 \[0\.46, 0\.56\]/);
    expect(text).toContain('k-NN top-1: 44.3 [39.1, 49.6] %');
    expect(text).toContain('effective rank: 31.3 [30.1, 32.4] of 192');
    expect(text).toContain('protocol: 6 thetas a photo');
    expect(text).toContain('protocol: k-NN, k = 20');
    expect(text).not.toContain('untrained');
  });

  it('puts the untrained encoder beside it when it was asked for', () => {
    const text = formatReport({ ...report, baseline: untrained });
    expect(text).toMatch(/rotation +0\.51 .* 0\.20 +0\.72 +0\.39/);
    expect(text).toContain('untrained 32.6 %');
  });
});

describe('formatReport of some questions', () => {
  const some: R2Report = {
    inside: { rotation: 0.514, blur: 0.9 },
    intervals: { inside: { rotation: span, blur: span } },
    detail: [],
    protocol: 'not asked: color, translation, zeros',
  };

  it('has neither row nor column of what was not asked', () => {
    const lines = formatReport({ ...report, tasks: { r2: some }, baseline: { r2: some } }).split('\n');
    const first = lines.findIndex((line) => line.startsWith('R2 of'));
    expect(lines.slice(first + 1, first + 5)).toEqual([
      '             inside                untrained, inside     gain inside',
      'rotation     0.51 [0.46, 0.56]     0.51                  0.00',
      'blur         0.90 [0.46, 0.56]     0.90                  0.00',
      'protocol: not asked: color, translation, zeros',
    ]);
  });
});

describe('gainOverUntrained', () => {
  it('is the share of what was missing', () => {
    expect(gainOverUntrained(0.6, 0.2)).toBeCloseTo(0.5, 12);
  });
});
