import { describe, expect, it } from 'vitest';
import { configSchema } from '../config/schema.js';
import { durationText } from '../duration.js';
import { describeError, exitCodeOf, UsageError } from './failure.js';
import { ConfigError, RunError } from '../errors.js';
import { barText, printable } from './output.js';
import { rowText } from './progress.js';

describe('texts for people', () => {
  it('say durations in the unit that fits', () => {
    expect([12.4, 89.9, 204, 7560].map(durationText)).toEqual(['12 s', '90 s', '3.4 min', '2.1 h']);
  });

  it('draw a bar', () => {
    expect([0, 0.5, 1, 2].map((fraction) => barText(fraction, 4))).toEqual(['[    ]', '[==  ]', '[====]', '[====]']);
  });

  it('write out what a terminal would obey', () => {
    expect(printable('a\x1b[2Kb\r\x07\x9b\n\tc \u00e9')).toBe('a\\x1b[2Kb\\x0d\\x07\\x9b\n\tc \u00e9');
  });

  it('show a row: bar, time left, speed, data wait, terms, rank', () => {
    const row = {
      ...{
        step: 50,
        loss: 3.25,
        recon: 0.125,
        lr: 1e-3,
        lrEncoder: 1e-4,
        gradNorm: 1,
        imagesPerSecond: 640,
        dataWaitMs: 3,
        stepMs: 100,
      },
      ...{ featureStd: 0.9, effectiveRank: 17.04 },
    };
    const config = configSchema.parse({ split: { dim: 256, equivariantDim: 128 } });
    expect(rowText(row, 200, config)).toBe(
      '[=====               ] 50/200  15 s left  640 images/s  wait 3 of 100 ms  loss 3.250  recon 0.125  rank 17.0 of 128',
    );
  });
});

describe('errors', () => {
  it('that a user can mend are their message; others say how to see more', () => {
    expect(describeError(new RunError('run: is locked'))).toBe('halfway: run: is locked');
    expect(describeError(new TypeError('x is undefined'))).toBe(
      'halfway: TypeError: x is undefined\nThis should not happen; HALFWAY_TRACE=1 shows where it did.',
    );
  });

  it('of usage and configuration end with 2, others with 1', () => {
    expect([new UsageError(''), new ConfigError(''), new RunError(''), 'text'].map(exitCodeOf)).toEqual([2, 2, 1, 1]);
  });
});
