import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import type { Config } from '../config/schema.js';
import { evalContext, present } from '../models/fixture.case.js';
import { AUTHORS_HEAD, AUTHORS_TEMP, authorsConfig, expectAuthors, tinyConfig } from './dinoAuthors.case.js';
import { ibot } from './ibot.js';
import { objectiveBatch, stepParams } from './objective.case.js';

const config = (section: object = {}, rest: Readonly<Record<string, unknown>> = {}): Config =>
  tinyConfig('ibot', { masks: { ratios: [[0.5, 0.2]] }, ...section }, rest);

describe('ibot', () => {
  it.each([true, false])(
    "terms, gradients and centres equal those of the authors' code, shared head: %s",
    (sharedHead) => {
      const patchTeacherTemp = { ...AUTHORS_TEMP, temps: [0.05, 0.08] };
      const section = { ...AUTHORS_HEAD, sharedHead, patchPrototypes: 9, teacherTemp: AUTHORS_TEMP, patchTeacherTemp };
      expectAuthors(sharedHead ? 'ibotShared' : 'ibotSeparate', authorsConfig({ objective: 'ibot', ibot: section }));
    },
  );

  it('hides patches of the global views from the student, and none from the teacher', () => {
    torch.scope(() => {
      const { network, teacher, planMasks } = ibot(config(), torch.generator(0));
      expect([...network.stateDict().keys()]).toContain('encoder.mask_token');
      expect([...present(teacher).network.stateDict().keys()]).not.toContain('encoder.mask_token');
      const masks = present(planMasks)(() => () => 0.5, 2);
      expect(masks.map((mask) => mask?.length)).toEqual([32, 32]); // 2 images of 4 x 4 patches; none for the local view
    });
  });

  it('does not look at what the student makes of patches that it sees', () => {
    torch.scope(() => {
      const objective = ibot(config(), torch.generator(0));
      const batch = objectiveBatch(objective);
      const [first, ...others] = batch.views;
      const nothing = { ...present(first), mask: torch.zerosLike(present(present(first).mask)) };
      const patch = (views: typeof batch.views): number => {
        const params = stepParams(objective);
        const output = objective.forward({ ...batch, views }, params, objective.initialState(), evalContext());
        return present(output.terms['patch']).item();
      };
      const none = others.map((view) => (view.mask ? { ...view, mask: torch.zerosLike(view.mask) } : view));
      expect(patch([nothing, ...none])).toBe(0);
      // With the second view's masks alone the mean over both views' images is about half.
      expect(patch([nothing, ...others]) / patch(batch.views)).toBeGreaterThan(0.3);
      expect(patch([nothing, ...others]) / patch(batch.views)).toBeLessThan(0.7);
    });
  });

  it('logs both temperatures, and weighs both terms', () => {
    torch.scope(() => {
      const objective = ibot(
        config({ clsWeight: 2, patchWeight: 3, patchTeacherTemp: { temps: [0.02, 0.05] } }),
        torch.generator(0),
      );
      expect(objective.weightsAt(0, 1)).toEqual({ cls: 2, patch: 3 });
      expect(objective.numbersAt?.(0, 1000)).toEqual({ teacherTemp: 0.04, patchTeacherTemp: 0.02 });
      expect(objective.numbersAt?.(999, 1000)).toEqual({ teacherTemp: 0.07, patchTeacherTemp: 0.05 });
    });
  });

  it("with the split at the head's output reads all of the encoder, and gives further outputs of the head to a task", () => {
    torch.scope(() => {
      const split = { location: 'head_output', equivariantDim: 9 };
      const objective = ibot(config({}, { split }), torch.generator(0));
      const batch = objectiveBatch(objective);
      const params = stepParams(objective);
      const { features, terms } = objective.forward(batch, params, objective.initialState(), evalContext());
      const [first] = features;
      expect(present(first).invariant.patches.shape).toEqual([4, 16, 12]);
      expect(present(first).equivariant.patches.shape).toEqual([4, 16, 9]);
      expect(present(first).equivariant.cls.shape).toEqual([4, 9]);
      present(terms['cls']).backward();
      const gradients = new Map(objective.network.namedParameters().map(([name, { grad }]) => [name, grad]));
      expect([...gradients.keys()].filter((name) => name.startsWith('adapter.'))).toEqual([]);
      expect(present(gradients.get('encoder.norm.weight')).abs().amin().item()).toBeGreaterThan(0); // of each feature
      expect(gradients.get('head.last_layer_equi.weight_v')).toBeUndefined();
    });
  });

  it('needs an encoder that can hide patches', () => {
    const model = { kind: 'resnet18', imagePx: 32 };
    expect(() => ibot(config({}, { model }), torch.generator(0))).toThrow(
      'model.kind: an objective that hides patches',
    );
  });

  it('refuses shares of hidden patches that reach below 0 or to 1', () => {
    for (const ratios of [[[0.1, 0.2]], [[0.6, 0.4]]]) {
      expect(() => config({ masks: { ratios } })).toThrow('needs spread <= mean < 1 - spread');
    }
  });
});
