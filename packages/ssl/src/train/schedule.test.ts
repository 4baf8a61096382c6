import { describe, expect, it } from 'vitest';
import * as torch from '@halfway/torch';
import { createObjective } from '../objectives/create.js';
import { tinyConfig } from '../run/scratch.case.js';
import { peakLr, stepParams, warmupCosine, warmupSteps } from './schedule.js';

describe('warmupCosine', () => {
  it('has the golden numbers of DINO: base 1, final 0.1, 100 steps, 10 of warm-up', () => {
    const schedule = { base: 1, final: 0.1, total: 100, warmup: 10 };
    const golden: [step: number, value: number][] = [
      ...([
        [0, 0],
        [1, 0.1111111111],
        [9, 1],
        [10, 1],
        [11, 0.9997258722],
        [55, 0.55],
        [99, 0.1002741278],
      ] as [number, number][]),
    ];
    for (const [step, value] of golden) expect(warmupCosine(step, schedule)).toBeCloseTo(value, 9);
  });

  it('begins at the peak without a warm-up, and at 0 with one of one step', () => {
    expect(warmupCosine(0, { base: 2, final: 0, total: 4, warmup: 0 })).toBe(2);
    expect(warmupCosine(2, { base: 2, final: 0, total: 4, warmup: 0 })).toBeCloseTo(1, 12);
    expect(warmupCosine(0, { base: 2, final: 0, total: 4, warmup: 1 })).toBe(0);
    expect(warmupCosine(1, { base: 2, final: 0, total: 4, warmup: 1 })).toBe(2);
  });

  it('is finite where the warm-up is the whole run', () => {
    expect(warmupCosine(4, { base: 2, final: 0, total: 4, warmup: 4 })).toBe(2);
  });
});

describe('stepParams', () => {
  it('keeps the shape of the schedule at another length', () => {
    const [short, long] = [100, 1000].map((steps) => tinyConfig(`train.steps=${steps}`));
    if (short === undefined || long === undefined) throw new Error('two configurations');
    expect([warmupSteps(short), warmupSteps(long)]).toEqual([10, 100]);
  });

  it('scales the learning rate by the batch only where asked', () => {
    expect(peakLr(tinyConfig('optim.lr=0.1', 'train.batch=64'))).toBe(0.1);
    expect(peakLr(tinyConfig('optim.lr=0.1', 'optim.lrPer256=true', 'train.batch=64'))).toBeCloseTo(0.025, 12);
  });

  it('has every number of a step: rate, clip, and the weight of each term', () => {
    torch.scope(() => {
      const settings = ['optim.clipNorm=3', 'recon.warmupFraction=0.5', 'train.steps=20'];
      const config = tinyConfig(...settings, 'optim.lr=0.5', 'optim.minLr=0.25');
      const objective = createObjective(config, torch.generator(0));
      expect(stepParams(4, config, objective)).toEqual({
        step: 4,
        lr: 0.5 - 0.125 * (1 - Math.cos((Math.PI * 2) / 18)),
        clipNorm: 3,
        weights: { invariance: 10, variance: 10, covariance: 1, recon: 1 },
      });
    });
  });
});
