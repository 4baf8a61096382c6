import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import type { Config } from '../config/schema.js';
import { evalContext, present, valueOf } from '../models/fixture.case.js';
import { uniformStream } from '../transforms/philox.js';
import { AUTHORS_HEAD, AUTHORS_TEMP, authorsConfig, expectAuthors, tinyConfig } from './dinoAuthors.case.js';
import { dinov2 } from './dinov2.js';
import { objectiveBatch, stepParams } from './objective.case.js';
import type { Objective, ObjectiveOutput } from './objective.js';

const config = (section: object = {}, rest: Readonly<Record<string, unknown>> = {}): Config =>
  tinyConfig('dinov2', section, rest);

function step(section: object = {}): ObjectiveOutput {
  const objective = dinov2(config(section), torch.generator(0));
  const batch = objectiveBatch(objective);
  return objective.forward(batch, stepParams(objective), objective.initialState(), evalContext('float32', true));
}

describe('dinov2', () => {
  it.each([
    ['tied head, centring', 'dinov2Tied', { untiedHead: false, targets: 'centering' }],
    ['untied head, sinkhorn', 'dinov2Untied', { untiedHead: true, targets: 'sinkhorn' }],
  ])("terms, gradients and centres equal those of the authors' code: %s", (_, name, variant) => {
    const untied = { patchPrototypes: 9, patchBottleneckDim: 4 };
    const section = { ...AUTHORS_HEAD, ...untied, teacherTemp: AUTHORS_TEMP, ...variant };
    expectAuthors(name, authorsConfig({ objective: 'dinov2', dinov2: section }));
  });

  it('carries centres, and with Sinkhorn nothing', () => {
    torch.scope(() => {
      expect(Object.keys(step().state)).toEqual(['clsCenter', 'patchCenter']);
      expect(step({ targets: 'sinkhorn' }).state).toEqual({});
    });
  });

  it('advises on a centre only where it has one', () => {
    const advice = (targets: string): string | undefined =>
      dinov2(config({ targets }), torch.generator(0)).advice.onePrototype;
    expect(advice('centering')).toContain('dinov2.centerMomentum');
    expect(advice('sinkhorn')).toBe('lower optim.lr');
  });

  it('Sinkhorn uses more prototypes than the plain softmax of untrained scores does', () => {
    torch.scope(() => {
      const used = (targets: string): number =>
        valueOf(step({ targets, teacherTemp: { temps: [0.01, 0.01] } }).figures, 'usedPrototypes');
      expect(used('sinkhorn')).toBeGreaterThan(used('centering'));
    });
  });

  it("spreads the adapter's class tokens, or the encoder's", () => {
    torch.scope(() => {
      const koleo = (koleoInput: string): number => valueOf(step({ koleoInput }).terms, 'koleo');
      expect(koleo('backbone')).not.toBe(koleo('invariant'));
    });
  });

  it('looks for neighbours in the batch, or in groups of it: then a batch is the mean of its parts', () => {
    torch.scope(() => {
      const make = (koleoGroup: number): Objective => dinov2(config({ koleoGroup }), torch.generator(0));
      const koleo = (koleoGroup: number, first: number, count: number): number => {
        const objective = make(koleoGroup);
        const batch = objectiveBatch(objective, 6);
        const views = batch.views.map((view) => ({
          ...view,
          images: view.images.narrow(0, first, count),
          ...(view.mask && { mask: torch.zerosLike(view.mask.narrow(0, first, count)), numMasked: 0 }),
        }));
        const part = { ...batch, views };
        return valueOf(
          objective.forward(part, stepParams(objective), objective.initialState(), evalContext()).terms,
          'koleo',
        );
      };
      const groups = [0, 2, 4].map((first) => koleo(0, first, 2));
      expect(koleo(2, 0, 6)).toBeCloseTo(groups.reduce((a, b) => a + b) / 3, 5);
      expect(koleo(2, 0, 6)).toBeLessThan(koleo(0, 0, 6)); // fewer neighbours are farther away
      expect([make(0), make(2)].map(({ batchDependent }) => batchDependent?.includes('koleo'))).toEqual([true, false]);
    });
  });

  it('adds the epsilon of KoLeo where the code does, or where the paper does', () => {
    torch.scope(() => {
      // Equal photos: what is left of the distance is the epsilon, once or (with the square root of 6 features) 3.4 times.
      const koleo = (koleoEps: string): number => {
        const objective = dinov2(config({ koleoEps }), torch.generator(0));
        const batch = objectiveBatch(objective);
        const equal = batch.views.map((view) => ({
          ...view,
          images: torch.zerosLike(view.images),
          ...(view.mask && { mask: torch.zerosLike(view.mask) }),
        }));
        const params = stepParams(objective);
        const output = objective.forward({ ...batch, views: equal }, params, objective.initialState(), evalContext());
        return valueOf(output.terms, 'koleo');
      };
      expect(koleo('as_paper')).toBeCloseTo(-2 * Math.log(1e-8), 3);
      expect(koleo('as_code')).toBeCloseTo(-2 * Math.log(1e-8 * (Math.sqrt(6) + 1)), 3);
    });
  });

  it('plans its masks for the batch, with blocks no larger than those of the code or than half of the grid', () => {
    torch.scope(() => {
      // 7 x 7 patches of 4 px: the code's largest block is floor(floor(0.5 * 28 / 4) * 28 / 4) = 21 cells, half of the grid 24.5.
      const model = { size: 'custom', widthDim: 12, depth: 1, numHeads: 2, patch: 4, imagePx: 28 };
      const planned = (largestBlock: string): string => {
        const masks = { largestBlock, maskedFraction: 1, ratios: [0.6, 0.6] };
        const { planMasks } = dinov2(config({ masks }, { model, augment: {} }), torch.generator(0));
        const plan = present(planMasks)((image, view) => uniformStream(1, 0, image, view, 'mask'), 4);
        return plan.map((cells) => present(cells).join('')).join(' ');
      };
      expect(planned('as_code')).not.toBe(planned('half_grid'));
    });
  });

  it('weighs its three terms', () => {
    torch.scope(() => {
      const objective = dinov2(config({ clsWeight: 2, patchWeight: 3 }), torch.generator(0));
      expect(objective.weightsAt(0, 1)).toEqual({ cls: 2, patch: 3, koleo: 0.1 });
    });
  });

  it('needs two photos for KoLeo', () => {
    torch.scope(() => {
      const objective = dinov2(config(), torch.generator(0));
      const batch = objectiveBatch(objective, 1);
      expect(() => objective.forward(batch, stepParams(objective), objective.initialState(), evalContext())).toThrow(
        'koleoLoss: must have [B, D] with B at least 2',
      );
    });
  });
});
