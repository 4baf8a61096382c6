import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import type { Config } from '../config/schema.js';
import { evalContext, expectClose, present } from '../models/fixture.case.js';
import { dino } from './dino.js';
import { AUTHORS_HEAD, AUTHORS_TEMP, authorsConfig, expectAuthors, tinyConfig } from './dinoAuthors.case.js';
import { objectiveBatch, stepParams } from './objective.case.js';

const config = (section: object = {}, rest: object = {}): Config =>
  tinyConfig('dino', section, { numLocal: 3, ...rest });

describe('dino', () => {
  it("terms, gradients and centre of one batch equal those of the authors' code", () => {
    const section = { ...AUTHORS_HEAD, teacherTemp: AUTHORS_TEMP };
    expectAuthors('dino', authorsConfig({ objective: 'dino', dino: section }));
  });

  it('asks for two global views and the local ones, and hides nothing', () => {
    torch.scope(() => {
      const { views, planMasks, network } = dino(config(), torch.generator(0));
      expect(views).toEqual([
        { name: 'v1', sizePx: 16 },
        { name: 'v2', sizePx: 16 },
        ...[1, 2, 3].map((i) => ({ name: `local${i}`, sizePx: 8, local: true })),
      ]);
      expect(planMasks).toBeUndefined();
      expect([...network.stateDict().keys()]).not.toContain('encoder.mask_token');
    });
  });

  it('begins with a teacher that equals the student, takes no gradient and follows ever more slowly', () => {
    torch.scope(() => {
      const { network, teacher } = dino(config(), torch.generator(0));
      const averaged = present(teacher).network;
      const own = network.stateDict();
      const parameters = averaged.namedParameters();
      expect(parameters.map(([name]) => name)).toEqual(network.namedParameters().map(([name]) => name));
      for (const [name, parameter] of parameters) {
        expect(parameter.toBytes(), name).toEqual(present(own.get(name)).toBytes());
        expect(parameter.requiresGrad, name).toBe(false);
      }
      expect(present(teacher).momentumAt(0, 100)).toBeCloseTo(0.996, 12);
      expect(present(teacher).momentumAt(99, 100)).toBeGreaterThan(0.99999);
    });
  });

  it("a ResNet's teacher tracks the statistics of its own batches in training, and only there", () => {
    torch.scope(() => {
      const model = { kind: 'resnet18', imagePx: 16, resnet: { stem: 'small' } };
      const objective = dino(config({}, { model, numLocal: 0 }), torch.generator(0));
      const teacher = present(objective.teacher).network;
      const tracked = (): number => present(teacher.stateDict().get('encoder.bn1.num_batches_tracked')).item();
      const forward = (train: boolean): void => {
        const params = stepParams(objective);
        objective.forward(objectiveBatch(objective), params, objective.initialState(), evalContext('float32', train));
      };
      forward(false);
      expect(tracked()).toBe(0);
      forward(true);
      expect(tracked()).toBe(1); // its two views together, as the student's
      const own = present(objective.network.stateDict().get('encoder.bn1.running_mean'));
      // Equal weights and views, equal statistics.
      expect(present(teacher.stateDict().get('encoder.bn1.running_mean')).toBytes()).toEqual(own.toBytes());
    });
  });

  it("says nothing at first: the loss starts near ln K, and so does the teacher's entropy", () => {
    torch.scope(() => {
      const large = { prototypes: 512, bottleneckDim: 64, teacherTemp: { temps: [1, 1] } };
      const objective = dino(config(large), torch.generator(0));
      const batch = objectiveBatch(objective);
      const { figures } = objective.forward(batch, stepParams(objective), objective.initialState(), evalContext());
      expect(Math.abs(present(figures['clsOverUninformed']).item() - 1)).toBeLessThan(0.15);
      expect(present(figures['teacherEntropy']).item()).toBeGreaterThan(0.99);
    });
  });

  it('takes the centre of the steps before, and moves it by this step', () => {
    torch.scope(() => {
      const objective = dino(config({ centerMomentum: 0.5 }), torch.generator(0));
      const batch = objectiveBatch(objective);
      const forward = (center: torch.Tensor): ReturnType<typeof objective.forward> =>
        objective.forward(batch, stepParams(objective), { clsCenter: center }, evalContext());
      const [zero, one] = [torch.zeros([1, 11]), torch.arange(11).div(10).reshape([1, 11])];
      const [atZero, atOne] = [forward(zero), forward(one)];
      expect(atOne.terms['cls']?.item()).not.toBe(atZero.terms['cls']?.item());
      // c' = 0.5 c + 0.5 mean: the difference of the two is half of that of the centres.
      const moved = present(atOne.state['clsCenter']).sub(present(atZero.state['clsCenter']));
      expectClose(moved, one.mul(0.5), 'difference');
    });
  });

  it('names a local view that is no multiple of the patch', () => {
    expect(() => dino(config({}, { augment: { local: { count: 1, cropPx: 10 } } }), torch.generator(0))).toThrow(
      "augment.local.cropPx: a view's side must be a multiple of the patch, got 10 px and patch 4 px; use 12",
    );
  });

  it('names a split that leaves nothing', () => {
    expect(() => dino(config({}, { split: { dim: 10, equivariantDim: 10 } }), torch.generator(0))).toThrow(
      'split.equivariantDim: must lie between 0 and 9, got 10 of 10 features; use 5',
    );
  });
});
