import { describe, expect, it } from 'vitest';
import { pairOf, zip } from './pairs.js';

describe('pairs', () => {
  it('pairOf gives the two members, and names another number of them', () => {
    expect(pairOf([1, 2])).toEqual([1, 2]);
    expect(() => pairOf([1])).toThrow('internal: pairOf: needs two members, got 1');
    expect(() => pairOf([1, 2, 3])).toThrow('got 3');
  });

  it('zip pairs by position, and names lists of two lengths', () => {
    expect(zip([1, 2], ['a', 'b'])).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
    expect(() => zip([1], [])).toThrow('internal: zip: needs lists of one length, got 1 and 0');
  });
});
