import { describe, expect, it } from 'vitest';
import { summarize } from './summary.js';

describe('summarize', () => {
  it('has the time spent in steps, and the last row without what says how fast it went', () => {
    const pace = { lr: 1e-3, lrEncoder: 1e-4, gradNorm: 1, imagesPerSecond: 1, dataWaitMs: 0 };
    const rows = [
      { step: 20, loss: 3, recon: 2, stepMs: 100, ...pace },
      { step: 30, loss: 1, recon: 0.5, stepMs: 50, ...pace },
    ];
    expect(summarize({ path: 'runs/a', steps: 30, parameters: 9, imagesPerStep: 8 }, rows)).toEqual({
      ...{ run: 'runs/a', steps: 30, parameters: 9 },
      seconds: 2.5,
      imagesPerSecond: (30 * 8) / 2.5,
      final: { loss: 1, recon: 0.5 },
    });
  });
});
