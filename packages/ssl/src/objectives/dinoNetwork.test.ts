import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { present } from '../models/fixture.case.js';
import { createObjective } from './create.js';
import { tinyConfig } from './dinoAuthors.case.js';
import { objectiveBatch, stepParams, totalLoss } from './objective.case.js';
import type { Objective, ObjectiveOutput } from './objective.js';

const training = (objective: Objective, seed: number): ObjectiveOutput =>
  objective.forward(objectiveBatch(objective), stepParams(objective), objective.initialState(), {
    train: true,
    rng: torch.generator(seed),
    computeDtype: 'float32',
  });

describe('a student and its teacher', () => {
  it('stochastic depth is the student alone: the teacher says the same whatever is drawn', () => {
    torch.scope(() => {
      const model = { size: 'custom', widthDim: 12, depth: 3, numHeads: 2, patch: 4, imagePx: 16, dropPathRate: 0.9 };
      const objective = createObjective(tinyConfig('ibot', {}, { model }), torch.generator(0));
      const [one, other] = [training(objective, 1), training(objective, 2)];
      for (const name of ['clsCenter', 'patchCenter']) {
        expect(present(one.state[name]).toBytes()).toEqual(present(other.state[name]).toBytes());
      }
      expect(one.terms['cls']?.item()).not.toBe(other.terms['cls']?.item());
    });
  });

  it('features of the head are those of the head that patches go through', () => {
    torch.scope(() => {
      const untied = { untiedHead: true, patchPrototypes: 7, patchBottleneckDim: 5 };
      const task = { recon: { target: 'rotation' }, decoder: { channels: 8, activation: 'gelu' } };
      const split = { location: 'head_output', equivariantDim: 4 };
      const objective = createObjective(tinyConfig('dinov2', untied, { split, ...task }), torch.generator(0));
      const names = objective.network.namedParameters().map(([name]) => name);
      expect(names.filter((name) => name.includes('last_layer_equi'))).toEqual([
        'patch_head.last_layer_equi.weight_g',
        'patch_head.last_layer_equi.weight_v',
      ]);
      totalLoss(training(objective, 1), stepParams(objective)).backward();
      const idle = objective.network.namedParameters().filter(([, { grad }]) => grad === undefined);
      expect(idle.map(([name]) => name)).toEqual([]);
    });
  });
});
