import { describe, expect, it } from 'vitest';
import { philox4x32, uniformStream } from './philox.js';

const hex = (words: Uint32Array): string[] => [...words].map((word) => word.toString(16).padStart(8, '0'));
const take = (draw: () => number, count: number): number[] => Array.from({ length: count }, () => draw());

describe('philox4x32', () => {
  // Random123 1.14, tests/kat_vectors, lines "philox4x32 10".
  it("gives Random123's known answers", () => {
    const all = 0xffffffff;
    expect(hex(philox4x32([0, 0], [0, 0, 0, 0]))).toEqual(['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']);
    expect(hex(philox4x32([all, all], [all, all, all, all]))).toEqual(['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd']);
    const [key, counter] = [
      [0xa4093822, 0x299f31d0],
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    ] as const;
    expect(hex(philox4x32(key, counter))).toEqual(['d16cfe09', '94fdcceb', '5001e420', '24126ea1']);
  });
});

describe('uniformStream', () => {
  it('is a function of its five names', () => {
    const first = take(uniformStream(7, 1, 2, 0, 'crop'), 9);
    expect(take(uniformStream(7, 1, 2, 0, 'crop'), 9)).toEqual(first);
    const others = [
      uniformStream(8, 1, 2, 0, 'crop'),
      uniformStream(7, 2, 2, 0, 'crop'),
      uniformStream(7, 1, 3, 0, 'crop'),
      uniformStream(7, 1, 2, 1, 'crop'),
      uniformStream(7, 1, 2, 0, 'theta'),
    ];
    const heads = others.map((draw) => draw());
    expect(new Set([...heads, first[0]]).size).toBe(6);
  });

  it('is uniform on [0, 1) along a stream and across images: mean, variance and deciles', () => {
    const count = 20_000;
    const along = take(uniformStream(0, 0, 0, 0, 'a'), count);
    const across = Array.from({ length: count }, (_, index) => uniformStream(0, 3, index, 1, 'b')());
    for (const values of [along, across]) {
      const mean = values.reduce((sum, value) => sum + value, 0) / count;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
      expect(Math.abs(mean - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / count));
      expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.002);
      for (let decile = 1; decile < 10; decile++) {
        const below = values.filter((value) => value < decile / 10).length / count;
        expect(Math.abs(below - decile / 10)).toBeLessThan(0.015);
      }
      expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...values)).toBeLessThan(1);
    }
  });

  it('names the number that is not a word', () => {
    expect(() => uniformStream(0, 0, -1, 0, 'x')).toThrow(
      'uniformStream: index must be a whole number in [0, 2^32), got -1',
    );
    expect(() => uniformStream(2 ** 32, 0, 0, 0, 'x')).toThrow('seed');
    expect(() => uniformStream(0, 0.5, 0, 0, 'x')).toThrow('epoch');
  });
});
