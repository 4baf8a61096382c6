import * as torch from '@halfway/torch';
import { ShapeError, type Tensor } from '@halfway/torch';
import { expect, it } from 'vitest';
import * as losses from './index.js';

const [ones, WEIGHTS] = [torch.ones, { invariance: 1, variance: 1, covariance: 1 }];

/** Shapes of which broadcasting would make a number: a view, a row, a class or an axis too few. */
const WRONG: Readonly<Record<string, () => Tensor | object>> = {
  vicregLoss: () => losses.vicregLoss(ones([4, 3]), ones([1, 3]), WEIGHTS),
  vicregTerms: () => losses.vicregTerms(ones([4, 3]), ones([1, 3])),
  sieTerms: () => {
    const view = { invariant: ones([4, 3]), equivariant: ones([4, 2]) };
    return losses.sieTerms(view, view, ones([1, 2]));
  },
  ntXentLoss: () => losses.ntXentLoss(ones([4, 3]), ones([1, 3]), 0.1),
  augselfLoss: () => losses.augselfLoss(ones([4, 2]), ones([4, 2]), ones([1, 2])),
  'dinoLoss, B': () => losses.dinoLoss(ones([2, 4, 5]), ones([2, 1, 5]), 0.1),
  'dinoLoss, K': () => losses.dinoLoss(ones([2, 4, 5]), ones([2, 4, 1]), 0.1),
  'ibotLoss, weights': () => losses.ibotLoss(ones([6, 5]), ones([6, 5]), ones([1]), 0.1),
  'ibotLoss, K': () => losses.ibotLoss(ones([6, 5]), ones([6, 1]), ones([6]), 0.1),
  maskedPatches: () => losses.maskedPatches(ones([6]).gt(0)),
  centeredTargets: () => losses.centeredTargets(ones([6, 5]), ones([5]), 0.1),
  nextCenter: () => losses.nextCenter(ones([1, 1]), ones([6, 5]), 0.9),
  sinkhorn: () => losses.sinkhorn(ones([2, 6, 5]), 0.1),
  koleoLoss: () => losses.koleoLoss(ones([2, 6, 5]), { shiftsDifference: false }),
  'reconstructionLoss, masks': () => {
    const [image, valid] = [ones([2, 3, 4, 4]), ones([2, 3, 4, 4])];
    return losses.reconstructionLoss([image], [image], { reduction: 'mean', valid: [valid] });
  },
  reconstructionLoss: () =>
    losses.reconstructionLoss([ones([2, 3, 4, 4])], [ones([1, 3, 4, 4])], { reduction: 'mean' }),
};

it.each(Object.keys(WRONG))('%s refuses what would broadcast, by name', (name) => {
  torch.scope(() => {
    expect(WRONG[name]).toThrow(ShapeError);
    expect(WRONG[name]).toThrow(
      new RegExp(`^${name.startsWith('vicreg') ? 'vicregTerms' : name.replace(/,.*/, '')}: must have .*, got `),
    );
  });
});

it('says which axes an argument has, and what came', () => {
  torch.scope(() => {
    expect(() => losses.ibotLoss(ones([6, 5]), ones([6, 4]), ones([6]), 0.1)).toThrow(
      'ibotLoss: must have student [M, K], teacher [M, K], weights [M], got [6, 5], [6, 4], [6]; axes of one name are equally long',
    );
  });
});
