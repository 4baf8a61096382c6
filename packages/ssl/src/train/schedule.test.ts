import { describe, expect, it } from 'vitest';
import * as torch from '@halfway/torch';
import { createObjective } from '../objectives/create.js';
import { tinyConfig } from '../run/scratch.case.js';
import { peakLr } from '../config/peakLr.js';
import { stepParams, warmupCosine, warmupSteps, type StepParams } from './schedule.js';

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
    expect(peakLr(tinyConfig('optim.lr=0.1', 'optim.lrScaling=linear_256', 'train.batch=64'))).toBeCloseTo(0.025, 12);
    const fourBatches = tinyConfig(
      'optim.lr=0.1',
      'optim.lrScaling=linear_256',
      'train.batch=64',
      'optim.accumulate=4',
    );
    expect(peakLr(fourBatches)).toBeCloseTo(0.1, 12);
    const square = tinyConfig('optim.lr=0.004', 'optim.lrScaling=sqrt_1024', 'train.batch=2048');
    expect(peakLr(square)).toBeCloseTo(0.0056568542, 10); // 0.004 sqrt(2)
  });

  it('has every number of a step: rate, clip, and the weight of each term', () => {
    torch.scope(() => {
      const settings = ['optim.clipNorm=3', 'recon.warmupFraction=0.5', 'train.steps=20'];
      const config = tinyConfig(...settings, 'optim.lr=0.5', 'optim.minLr=0.25');
      const objective = createObjective(config, torch.generator(0));
      const lr = 0.5 - 0.125 * (1 - Math.cos((Math.PI * 2) / 18));
      expect(stepParams(4, config, objective)).toEqual({
        ...{
          step: 4,
          lr,
          lastLayerLr: lr,
          encoderLr: lr,
          dropsLastLayerGradient: false,
          weightDecay: 0.05,
          clipNorm: 3,
          numBatches: 1,
        },
        weights: { invariance: 10, variance: 10, covariance: 1, recon: 1 },
        ...{ numbers: {}, teacherMomentum: 1 },
      });
    });
  });

  it('holds the last layers still for their share of the run, in either way, and lets weight decay follow a cosine', () => {
    torch.scope(() => {
      const at = (step: number, ...settings: string[]): StepParams => {
        const config = tinyConfig('train.steps=20', 'optim.freezeLastLayerFraction=0.25', ...settings);
        return stepParams(step, config, createObjective(config, torch.generator(0)));
      };
      const held = (params: StepParams): unknown => [params.dropsLastLayerGradient, params.lastLayerLr === params.lr];
      expect([at(4), at(5)].map(held)).toEqual([
        [true, true],
        [false, true],
      ]);
      const byRate = 'optim.freezeLastLayerBy=zero_lr';
      expect([at(4, byRate), at(5, byRate)].map(held)).toEqual([
        [false, false],
        [false, true],
      ]);
      expect(at(4, byRate).lastLayerLr).toBe(0);
      const decays = ['optim.weightDecay=0.04', 'optim.weightDecayEnd=0.4'];
      expect([0, 10].map((step) => at(step, ...decays).weightDecay)).toEqual([
        expect.closeTo(0.04, 12),
        expect.closeTo(0.22, 12),
      ]);
    });
  });

  it('of an encoder from weights: held still, then its share of a schedule that begins there and ends with the run', () => {
    torch.scope(() => {
      const settings = ['train.steps=20', 'optim.lr=0.5', 'optim.minLr=0.1', 'init.headWarmupFraction=0.5'];
      const at = (step: number, ...more: string[]): StepParams => {
        const config = tinyConfig(...settings, 'init.lrMult=0.2', ...more);
        return stepParams(step, config, createObjective(config, torch.generator(0)));
      };
      const file = 'init.file=weights.pth';
      expect(at(9, file)).toMatchObject({ lr: expect.any(Number) as number, encoderLr: 0 });
      const rates = [10, 11, 15, 19].map((step) => at(step, file).encoderLr);
      const rest = { base: 0.5, final: 0.1, total: 10, warmup: 1 };
      expect(rates).toEqual([0, 1, 5, 9].map((step) => 0.2 * warmupCosine(step, rest)));
      expect(rates[1]).toBe(0.1); // the peak
      for (const step of [0, 9, 15]) expect(at(step).encoderLr).toBe(at(step).lr);
      expect(at(15, file).lr).toBe(at(15).lr);
    });
  });

  it("asks the objective for its own numbers and its teacher's momentum", () => {
    torch.scope(() => {
      const config = tinyConfig('train.steps=20');
      const objective = createObjective(config, torch.generator(0));
      const numbersAt = (step: number, total: number): Record<string, number> => ({ teacherTemp: step / total });
      const teacher = { network: objective.network, momentumAt: (step: number) => 0.9 + step / 100 };
      const params = stepParams(4, config, { ...objective, numbersAt, teacher });
      expect([params.numbers, params.teacherMomentum]).toEqual([{ teacherTemp: 0.2 }, expect.closeTo(0.94, 12)]);
    });
  });
});
