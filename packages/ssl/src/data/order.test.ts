import { describe, expect, it } from 'vitest';
import { epochPermutation, ShuffledOrder } from './order.js';

describe('order', () => {
  it('shows every photo once an epoch, in another order each', () => {
    const [first, second] = [0, 1].map((epoch) => [...epochPermutation(50, 3, epoch)]);
    const sorted = Array.from({ length: 50 }, (_, i) => i);
    expect(first?.toSorted((a, b) => a - b)).toEqual(sorted);
    expect(second?.toSorted((a, b) => a - b)).toEqual(sorted);
    expect(second).not.toEqual(first);
    expect([...epochPermutation(50, 4, 0)]).not.toEqual(first);
  });

  it('is these numbers, on every machine', () => {
    expect([...epochPermutation(10, 0, 0)]).toMatchInlineSnapshot(`
      [
        3,
        7,
        9,
        6,
        1,
        4,
        2,
        8,
        0,
        5,
      ]
    `);
    expect([...epochPermutation(10, 0, 1)]).toMatchInlineSnapshot(`
      [
        3,
        8,
        2,
        5,
        7,
        4,
        0,
        1,
        6,
        9,
      ]
    `);
  });

  it('mixes evenly: each photo comes to each place', () => {
    const counts = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
    for (let epoch = 0; epoch < 4000; epoch++) {
      epochPermutation(4, 1, epoch).forEach((photo, place) => {
        const row = counts[photo];
        if (row !== undefined) row[place] = (row[place] ?? 0) + 1;
      });
    }
    for (const count of counts.flat()) expect(Math.abs(count - 1000)).toBeLessThan(130); // 4.7 standard deviations
  });

  it('runs over the end of an epoch, and over several where the source is smaller than the batch', () => {
    const order = new ShuffledOrder(3, 5);
    const batch = order.batchAt(1, 8); // positions 8 to 15
    expect(batch.map(({ epoch }) => epoch)).toEqual([2, 3, 3, 3, 4, 4, 4, 5]);
    expect(batch.slice(1, 4).map(({ index }) => index)).toEqual([...epochPermutation(3, 5, 3)]);
  });

  it('can be entered anywhere', () => {
    const walked = new ShuffledOrder(7, 2);
    for (let step = 0; step < 20; step++) walked.batchAt(step, 4);
    expect(new ShuffledOrder(7, 2).batchAt(19, 4)).toEqual(walked.batchAt(19, 4));
    expect(walked.batchAt(0, 4)).toEqual(new ShuffledOrder(7, 2).batchAt(0, 4));
  });
});
