import { describe, expect, it } from 'vitest';
import { wilsonInterval } from './intervals.js';
import { outcomesOf, top1Of } from './top1.js';

describe('top1Of', () => {
  it('is the percentage of photos whose class was predicted, with the interval of that share', () => {
    const right = outcomesOf(Int32Array.of(2, 0, 1, 1), Int32Array.of(2, 1, 1, 1));
    expect([...right]).toEqual([1, 0, 1, 1]);
    expect(top1Of(right)).toEqual({ top1: 75, interval: wilsonInterval(3, 4) });
  });
});
