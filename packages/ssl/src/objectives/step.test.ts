/** Three whole training steps against an independent PyTorch script: forward, loss, backward, clip, AdamW. */
import * as torch from '@halfway/torch';
import { AdamW, clipGradNorm } from '@halfway/torch/optim';
import { describe, it } from 'vitest';
import { configSchema } from '../config/schema.js';
import type { DeviceBatch } from '../data/batch.js';
import { evalContext, expectClose, Fixture, loadWeights } from '../models/fixture.case.js';
import { createObjective } from './create.js';
import { stepParams, totalLoss } from './objective.case.js';

// The numbers of fixtures/step.py.
const [BATCH, PX, CLIP, WEIGHT_DECAY] = [6, 8, 2, 0.05] as const;
const LR = [1e-3, 4e-3, 2e-3] as const;
const fixture = new Fixture('step');

const config = configSchema.parse({
  model: { size: 'custom', widthDim: 12, depth: 2, numHeads: 3, mlpRatio: 2, patch: 4, imagePx: PX },
  split: { dim: 10, equivariantDim: 4 },
  vicreg: { expander: [8, 8, 8] },
  decoder: { channels: 8 },
  recon: { target: 'rotation', lambda: 25, fill: 'content' },
});

/** The stored views and targets of a step; theta is not part of the loss. */
function storedBatch(step: number): DeviceBatch {
  const stored = (name: string): torch.Tensor => fixture.get(`${step}/${name}`);
  const [v1, v2] = [stored('v1'), stored('v2')];
  const valid = torch.ones([BATCH, 1, PX, PX]);
  const path = {
    theta: torch.zeros([BATCH, 1]),
    start: v2,
    states: [stored('u0'), stored('u1')],
    valid: [valid, valid],
  };
  return {
    indices: new Int32Array(BATCH),
    views: [
      { name: 'v1', images: v1 },
      { name: 'v2', images: v2, path },
    ],
  };
}

describe('training step', () => {
  it('terms of three steps and all parameters after them equal those of PyTorch', () => {
    torch.scope(() => {
      const objective = createObjective(config, torch.generator(0));
      loadWeights(objective.network, fixture.below('start/'));
      const named = objective.network.namedParameters();
      const decays = (name: string): boolean => name.endsWith('weight') && !name.includes('norm');
      const group = (
        name: string,
        weightDecay: number,
        decayed: boolean,
      ): ConstructorParameters<typeof AdamW>[0][number] => ({
        name,
        weightDecay,
        parameters: named.filter(([key]) => decays(key) === decayed).map(([, parameter]) => parameter),
      });
      const optimizer = new AdamW([group('decay', WEIGHT_DECAY, true), group('plain', 0, false)], {
        betas: [0.9, 0.95],
        eps: 1e-3,
      });
      for (const [step, lr] of LR.entries()) {
        torch.scope(() => {
          const params = stepParams(objective, step);
          const output = objective.forward(storedBatch(step), params, {}, evalContext('float32', true));
          const loss = totalLoss(output, params);
          loss.backward();
          const gradNorm = clipGradNorm(
            named.map(([, parameter]) => parameter),
            CLIP,
          );
          optimizer.step({ lr });
          optimizer.zeroGrad();
          for (const [name, value] of Object.entries({ ...output.terms, loss, gradNorm })) {
            expectClose(value, fixture.get(`${step}/${name}`), `${name} of step ${step}`);
          }
        });
      }
      for (const [name, parameter] of named) expectClose(parameter, fixture.get(`end/${name}`), name);
    });
  });
});
