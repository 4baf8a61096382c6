import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { expectGradient, present } from '../models/fixture.case.js';
import { ibotLoss, maskedPatches, maskedPatchesOf } from './ibotLoss.js';
import { wave } from './wave.case.js';

describe('ibotLoss', () => {
  const mask = (cells: readonly number[], shape: readonly number[]): torch.Tensor =>
    torch.tensor(cells, { shape }).gt(0);

  it('equals the closed-form golden number', () => {
    torch.scope(() => {
      const { indices, weights } = maskedPatches(mask([1, 0, 1, 0, 0, 0], [2, 3]));
      const student = wave(Math.cos, 6, 4).indexSelect(0, indices);
      const targets = wave(Math.sin, 6, 4).div(0.07).softmax(-1).indexSelect(0, indices);
      expect(ibotLoss(student, targets, weights, 0.1).item()).toBeCloseTo(6.1209052745, 6); // weights are f32
      expect(ibotLoss(student, targets, weights.mul(2), 0.1).item()).toBeCloseTo(12.241810549, 5); // the first image's own
    });
  });

  it('finds the masked patches of all images, and gives every image with any the same weight', () => {
    torch.scope(() => {
      const { indices, weights } = maskedPatches(mask([0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1], [4, 3]));
      expect(indices.toArray()).toEqual([1, 3, 4, 5, 11]);
      const third = Math.fround(1 / 12);
      expect(weights.toArray()).toEqual([0.25, third, third, third, 0.25]); // 1 / (count * 4 images)
    });
  });

  it('finds the same where it is told how many there are', () => {
    torch.scope(() => {
      for (const cells of [
        [0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 1],
        new Array<number>(12).fill(0),
        new Array<number>(12).fill(1),
      ]) {
        const masked = mask(cells, [4, 3]);
        const told = maskedPatches(masked, cells.filter((cell) => cell === 1).length);
        const asked = maskedPatches(masked);
        expect(told.indices.toArray()).toEqual(asked.indices.toArray());
        expect(told.indices.dtype).toBe('int64');
        expect(told.weights.toArray()).toEqual(asked.weights.toArray());
      }
    });
  });

  it('without masked patches is 0', () => {
    torch.scope(() => {
      const { indices, weights } = maskedPatches(mask([0, 0, 0, 0], [2, 2]));
      expect(indices.shape).toEqual([0]);
      const none = torch.zeros([0, 5]).requiresGrad_();
      const loss = ibotLoss(none, torch.zeros([0, 5]), weights, 0.1);
      expect(loss.item()).toBe(0);
      loss.backward();
    });
  });

  it('has the gradient of its differences', () => {
    torch.scope(() => {
      const targets = wave(Math.sin, 3, 4).div(0.07).softmax(-1);
      const weights = torch.tensor([0.5, 0.25, 0.25], { dtype: 'float64' });
      expectGradient(([s]) => ibotLoss(present(s), targets, weights, 0.5), [wave(Math.cos, 3, 4)]);
    });
  });

  it('needs a mask on every view that it is given', () => {
    torch.scope(() => {
      const images = torch.zeros([1, 3, 4, 4]);
      const masked = { name: 'v1', images, mask: mask([1], [1, 1]) };
      expect(maskedPatchesOf([masked, masked]).indices.toArray()).toEqual([0, 1]);
      expect(maskedPatchesOf([masked, { ...masked, numMasked: 1 }]).indices.toArray()).toEqual([0, 1]);
      expect(() => maskedPatchesOf([masked, { name: 'v2', images }])).toThrow(
        'internal: ibot: the view v2 has no mask',
      );
    });
  });
});
