import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { configSchema } from '../config/schema.js';
import { durationText } from '../duration.js';
import { describeError, exitCodeOf, UsageError } from './failure.js';
import { ConfigError, RunError } from '../errors.js';
import { barText, endLiveLine, noticesAndLive, printable } from './output.js';
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

describe('progress', () => {
  const { isTTY, columns } = process.stderr;
  let written = '';

  beforeEach(() => {
    written = '';
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      written += String(text);
      return true;
    });
  });
  afterEach(() => {
    endLiveLine();
    vi.restoreAllMocks();
    Object.assign(process.stderr, { isTTY, columns });
  });

  it('keeps every notice where there is no terminal, and of what is live a line now and then', () => {
    process.stderr.isTTY = false;
    const tell = noticesAndLive();
    tell('knn: left out', false);
    tell('features 1/2', true);
    tell('features 2/2', true);
    tell('photos in both parts', false);
    expect(written).toBe('knn: left out\nfeatures 1/2\nphotos in both parts\n');
  });

  it('gives a notice a line of its own on a terminal, where what is live replaces itself', () => {
    Object.assign(process.stderr, { isTTY: true, columns: 80 });
    const tell = noticesAndLive();
    tell('features 1/2', true);
    tell('photos in both parts', false);
    tell('features 2/2', true);
    expect(written).toBe('\r\x1b[2Kfeatures 1/2\nphotos in both parts\n\r\x1b[2Kfeatures 2/2');
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
