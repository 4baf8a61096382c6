import * as torch from '@halfway/torch';
import { AdamW } from '@halfway/torch/optim';
import { describe, expect, it } from 'vitest';
import { evalContext, expectGradient, present, valueOf } from '../models/fixture.case.js';
import { augselfLoss, thetaRegression } from './augself.js';
import type { RegressionOptions } from './augself.js';
import { linearBase, taskOptions } from './linearBase.case.js';
import { randomBatch, stepParams } from './objective.case.js';
import type { Objective } from './objective.js';
import { withTask } from './pairTask.js';
import { expectOneBatch, smallConfig } from './reference.case.js';
import { wave } from './wave.case.js';

function linearWithRegression(change: Partial<RegressionOptions> = {}): Objective {
  const options = { ...taskOptions(), regressor: [16, 16], ...change };
  return withTask(linearBase(), thetaRegression(options, torch.generator(1)), options);
}

describe('augselfLoss', () => {
  it('says which shapes it needs', () => {
    torch.scope(() => {
      const d = torch.ones([3, 2]);
      expect(() => augselfLoss(d, torch.ones([3, 1]), d)).toThrow(
        'augselfLoss: must have forth [B, P], back [B, P], difference [B, P], got [3, 2], [3, 1], [3, 2]; axes of one name are equally long',
      );
    });
  });

  it('is the mean over both orders of the views of the squared error after tanh', () => {
    torch.scope(() => {
      const [forth, back, d] = [torch.tensor([[0.3], [-2]]), torch.tensor([[-0.1], [1]]), torch.tensor([[0.5], [-1]])];
      const errors = [0.3, -2, -0.1, 1].map((p, i) => (Math.tanh(p) - present([0.5, -1, -0.5, 1][i])) ** 2);
      expect(augselfLoss(forth, back, d).item()).toBeCloseTo(errors.reduce((sum, e) => sum + e) / 4, 6);
    });
  });

  it('is unchanged when the views change places', () => {
    torch.scope(() => {
      const [forth, back, d] = [wave(Math.sin, 4, 2), wave(Math.cos, 4, 2), wave(Math.sin, 4, 2).mul(0.7)];
      expect(augselfLoss(back, forth, d.neg()).item()).toBeCloseTo(augselfLoss(forth, back, d).item(), 12);
    });
  });

  it('gradients equal finite differences', () => {
    torch.scope(() => {
      const d = wave(Math.cos, 4, 3).mul(0.5);
      expectGradient(
        ([forth, back]) => augselfLoss(present(forth), present(back), d),
        [wave(Math.sin, 4, 3), wave(Math.cos, 4, 3)],
      );
    });
  });
});

describe('thetaRegression', () => {
  it('terms and gradients of one batch equal those of an independent PyTorch script', () => {
    const recon = { target: 'rotation', of: 'theta', lambda: 3, regressor: [7, 5] };
    expectOneBatch('augself', smallConfig({ vicreg: { expander: [8, 6] }, recon }));
  });

  it('asks g of the second view without states, and adds term, weight, module and figure', () => {
    torch.scope(() => {
      const objective = linearWithRegression({ fill: 'content' });
      expect(objective.views[1]?.transformed).toMatchObject({ intermediates: 0, fill: 'content', sharedCrop: false });
      expect(objective.weightsAt(0, 10)).toEqual({ base: 2, theta: 1 });
      const names = [...objective.network.stateDict().keys()];
      expect(names).toEqual(expect.arrayContaining(['first.weight', 'regressor.linears.2.bias']));
      const { figures } = objective.forward(
        randomBatch(objective.views),
        stepParams(objective),
        objective.initialState(),
        evalContext('float32', true),
      );
      expect(Object.keys(figures)).toEqual(['thetaOverUninformed']);
    });
  });

  it('can be learned: theta of one batch is read within 150 steps', () => {
    torch.scope(() => {
      const objective = linearWithRegression();
      const optimizer = new AdamW([{ name: 'all', parameters: objective.network.parameters(), weightDecay: 0 }]);
      const [batch, params] = [randomBatch(objective.views, 8), stepParams(objective)];
      const unexplained = Array.from({ length: 150 }, () =>
        torch.scope(() => {
          const output = objective.forward(batch, params, objective.initialState(), evalContext('float32', true));
          present(output.terms['theta']).backward();
          optimizer.step({ lr: 0.01 });
          optimizer.zeroGrad();
          return valueOf(output.figures, 'thetaOverUninformed');
        }),
      );
      expect(unexplained.at(-1)).toBeLessThan(0.05);
      expect(unexplained[0]).toBeGreaterThan(0.5);
    });
  });
});
