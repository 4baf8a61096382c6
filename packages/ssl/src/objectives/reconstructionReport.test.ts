import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import type { DeviceBatch, View } from '../data/batch.js';
import { evalContext, present, valueOf } from '../models/fixture.case.js';
import { linearWithTask, taskOptions } from './linearBase.case.js';
import { randomBatch, stepParams } from './objective.case.js';
import type { Inspection, Objective } from './objective.js';
import type { ReconstructionOptions } from './reconstructionTask.js';

const inspect = (objective: Objective, batch: DeviceBatch): Inspection =>
  torch.noGrad(() => objective.inspect(batch, objective.initialState(), evalContext()));

/** A batch with its transformed view replaced. */
function withSecond(batch: DeviceBatch, change: (view: View, path: NonNullable<View['path']>) => View): DeviceBatch {
  const [first, second] = [present(batch.views[0]), present(batch.views[1])];
  return { ...batch, views: [first, change(second, present(second.path))] };
}

describe('inspect', () => {
  it('shows v1, u, targets, decoded images, v2 and the error', () => {
    torch.scope(() => {
      const titles = (recon: Partial<ReconstructionOptions>): string => {
        const objective = linearWithTask(recon);
        return inspect(objective, randomBatch(objective.views))
          .columns.map(({ title }) => title)
          .join(', ');
      };
      expect(titles({})).toBe('v1, u, u1, u2, u1 decoded, u2 decoded, v2, error');
      expect(titles({ includeFinal: true, intermediates: 1 })).toBe('v1, u, u1, v2, u1 decoded, v2 decoded, v2, error');
    });
  });

  it('reconSame is the term; reconSwapped differs when the decoder reads v1; both for every reduction', () => {
    torch.scope(() => {
      for (const recon of [{}, { reduction: 'sum_pixels' }, { maskOutside: true }] as const) {
        const objective = linearWithTask(recon);
        const batch = randomBatch(objective.views);
        const { figures } = inspect(objective, batch);
        const { terms } = objective.forward(batch, stepParams(objective), objective.initialState(), evalContext());
        expect(valueOf(figures, 'reconSame')).toBeCloseTo(valueOf(terms, 'recon'), 4);
        expect(valueOf(figures, 'reconSwapped')).not.toBe(valueOf(figures, 'reconSame'));
      }
    });
  });

  it('reconSwapped equals reconSame when all images have the same v1', () => {
    torch.scope(() => {
      const objective = linearWithTask();
      const batch = randomBatch(objective.views);
      const [v1, v2] = [present(batch.views[0]), present(batch.views[1])];
      const same = { ...v1, images: v1.images.narrow(0, 0, 1).expand([4, -1, -1, -1]) };
      const { figures } = inspect(objective, { ...batch, views: [same, v2] });
      expect(valueOf(figures, 'reconSwapped')).toBeCloseTo(valueOf(figures, 'reconSame'), 6);
    });
  });

  it('reconBlind is the variance over theta of the states of one u', () => {
    torch.scope(() => {
      // Many thetas of one image: the estimate must equal the variance over them, in the space of the loss.
      const objective = linearWithTask({ space: 'rgb01' });
      const { transformation } = taskOptions();
      const numImages = 400;
      const batch = withSecond(randomBatch(objective.views, numImages), (view, path) => {
        const start = path.start.narrow(0, 0, 1).expand([numImages, -1, -1, -1]);
        const states = [1, 2].map((k) => transformation.apply(start, transformation.at(path.theta, k / 3), 'zeros'));
        return { ...view, path: { ...path, start, states } };
      });
      const states = present(present(batch.views[1]).path).states;
      const variance = states.map((state) => state.var([0]).mean().item()).reduce((a, b) => a + b) / states.length;
      const ratio = valueOf(inspect(objective, batch).figures, 'reconBlind') / variance;
      expect(ratio).toBeGreaterThan(0.85);
      expect(ratio).toBeLessThan(1.15);
    });
  });

  it('reconBlind is reduced as the term: a sum over pixels is the mean times the pixels that it counts', () => {
    torch.scope(() => {
      for (const fill of ['zeros', 'content'] as const) {
        for (const maskOutside of [false, true]) {
          const [mean, sum] = (['mean', 'sum_pixels'] as const).map((reduction) => {
            const objective = linearWithTask({ reduction, maskOutside, fill });
            const batch = randomBatch(objective.views);
            const { figures } = inspect(objective, batch);
            const { valid } = present(present(batch.views[1]).path);
            const [, , sidePx = 0] = present(batch.views[1]).images.shape;
            const counted =
              fill === 'zeros' && maskOutside
                ? torch
                    .cat([...valid])
                    .mean()
                    .item()
                : 1;
            return { blind: valueOf(figures, 'reconBlind'), numValues: 3 * sidePx * sidePx * counted };
          });
          const expected = present(mean).blind * present(sum).numValues;
          expect(present(sum).blind / expected).toBeCloseTo(1, 5);
        }
      }
    });
  });

  it('reconBlind without its outside is 0 for photos of one colour, whose states differ by what they show from outside alone', () => {
    torch.scope(() => {
      const objective = linearWithTask({ maskOutside: true, fill: 'zeros', space: 'rgb01' });
      const { transformation } = taskOptions();
      const batch = withSecond(randomBatch(objective.views), (view, path) => {
        const start = torch.ones(path.start.shape);
        const states = [1, 2].map((k) => transformation.apply(start, transformation.at(path.theta, k / 3), 'zeros'));
        return { ...view, path: { ...path, start, states } };
      });
      const states = present(present(batch.views[1]).path).states;
      expect(states.some((state) => state.amin().item() < 0.5)).toBe(true);
      expect(valueOf(inspect(objective, batch).figures, 'reconBlind')).toBeLessThan(1e-3);
    });
  });

  it('reconBlind and reconCopy are 0 when g does nothing', () => {
    torch.scope(() => {
      for (const fill of ['zeros', 'content'] as const) {
        const objective = linearWithTask({ fill });
        const batch = withSecond(randomBatch(objective.views), (view, path) => {
          const still = { ...path, theta: path.theta.mul(0), states: [path.start, path.start] };
          return { ...view, images: path.start, path: still };
        });
        const { figures } = inspect(objective, batch);
        expect(valueOf(figures, 'reconBlind')).toBeLessThan(1e-9);
        expect(valueOf(figures, 'reconCopy')).toBe(0);
      }
    });
  });
});
