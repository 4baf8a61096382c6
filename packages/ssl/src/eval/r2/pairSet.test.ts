import { randn, generator, tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { imageRows, sampleRows, selectImages, standardizeByFirst, type PairSet } from './pairSet.js';

/** 4 images, 2 thetas each, 1 feature: image i has f(I) = i, f(g(I)) = 10 i + theta number. */
const set: PairSet = {
  base: tensor([[0], [1], [2], [3]]),
  transformed: tensor([[0], [1], [10], [11], [20], [21], [30], [31]]),
  target: tensor([[0], [0.1], [1], [1.1], [2], [2.1], [3], [3.1]]),
  thetasPerImage: 2,
};

describe('selectImages', () => {
  it('takes all thetas of the chosen images, and none of another', () => {
    const { base, transformed, target } = selectImages(set, Int32Array.of(3, 1));
    expect(base.toArray()).toEqual([[3], [1]]);
    expect(transformed.toArray()).toEqual([[30], [31], [10], [11]]);
    expect([...(target.toTypedArray() as Float32Array)].map((x) => Math.floor(x))).toEqual([3, 3, 1, 1]);
  });
});

describe('rows', () => {
  it('put f(I) beside each f(g(I)) of the same image, whole or by sample', () => {
    const rows = [
      [1, 10],
      [1, 11],
      [2, 20],
      [2, 21],
    ];
    expect(imageRows(set, 1, 2, 'pair').toArray()).toEqual(rows);
    expect(imageRows(set, 1, 2, 'transformed').toArray()).toEqual(rows.map(([, transformed]) => [transformed]));
    expect(sampleRows(set, tensor(Int32Array.of(5, 2)).to('int64')).toArray()).toEqual([
      [2, 21],
      [1, 10],
    ]);
  });
});

describe('standardizeByFirst', () => {
  const rng = generator(1);
  const part = (shift: number): PairSet => ({
    base: randn([50, 2], { generator: rng }).mul(3).add(shift),
    transformed: randn([50, 2], { generator: rng }).mul(5).add(shift),
    target: randn([50, 1], { generator: rng }),
    thetasPerImage: 1,
  });

  it('uses the fit part alone: a test part elsewhere stays elsewhere and changes nothing', () => {
    const fit = part(0);
    const [alone] = standardizeByFirst([fit]);
    const [beside, test] = standardizeByFirst([fit, part(100)]);
    expect(beside?.base.toArray()).toEqual(alone?.base.toArray());
    expect(alone?.base.mean().item()).toBeCloseTo(0, 5);
    expect(alone?.base.square().mean().item()).toBeCloseTo(1, 4);
    expect(test?.base.mean().item()).toBeGreaterThan(20);
  });

  it('turns a feature that is constant in the fit part into 0 everywhere, instead of blowing it up', () => {
    const constant = {
      ...part(0),
      base: tensor([
        [1, 5],
        [2, 5],
        [4, 5],
      ]),
    };
    const other = { ...part(0), base: tensor([[1, 7]]) };
    const [fit, test] = standardizeByFirst([constant, other]);
    expect(fit?.base.select(1, 1).toArray()).toEqual([0, 0, 0]);
    expect(test?.base.select(1, 1).toArray()).toEqual([0]);
  });
});
