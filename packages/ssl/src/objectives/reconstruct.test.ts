import * as torch from '@halfway/torch';
import { AdamW } from '@halfway/torch/optim';
import { describe, expect, it } from 'vitest';
import { evalContext, present, valueOf } from '../models/fixture.case.js';
import { linearBase, linearWithTask, taskOptions } from './linearBase.case.js';
import { randomBatch, stepParams } from './objective.case.js';
import type { Objective, ObjectiveOutput } from './objective.js';
import { withTask } from './pairTask.js';
import { reconstruction } from './reconstruct.js';
import type { ReconstructionOptions } from './reconstructionTask.js';
import { expectOneBatch, smallConfig } from './reference.case.js';

const run = (objective: Objective): ObjectiveOutput =>
  objective.forward(
    randomBatch(objective.views),
    stepParams(objective),
    objective.initialState(),
    evalContext('float32', true),
  );

describe('reconstruction', () => {
  it('of v2 by cross-attention: terms and gradients equal those of an independent PyTorch script', () => {
    const recon = {
      ...{ target: 'rotation', concat: 'cross_attention', attentionHeads: 2, lambda: 25 },
      ...{ intermediates: 0, includeFinal: true, fill: 'content' },
    };
    expectOneBatch('crossattn', smallConfig({ vicreg: { expander: [8, 6] }, recon }));
  });

  it('turns the second view into a transformed one and leaves the first alone', () => {
    torch.scope(() => {
      const { views } = linearWithTask({ intermediates: 3, fill: 'content', sharedCrop: true });
      expect(views[0]).toEqual({ name: 'v1', sizePx: 8 });
      expect(views[1]?.transformed).toMatchObject({ intermediates: 3, fill: 'content', sharedCrop: true });
      expect(views[1]?.transformed?.transformation.name).toBe('rotation');
    });
  });

  it("keeps the base's names, terms, weights and state, and adds its own", () => {
    torch.scope(() => {
      const objective = linearWithTask();
      const names = [...objective.network.stateDict().keys()];
      expect(names).toContain('first.weight');
      expect(names).toContain('decoders.1.convs.3.bias');
      expect(names.some((name) => name.startsWith('decoders.2.'))).toBe(false);
      const output = run(objective);
      expect(Object.keys(output.terms)).toEqual(['base', 'recon']);
      expect(valueOf(output.state, 'count')).toBe(1);
    });
  });

  it('has one decoder per intermediate state, and one more with includeFinal', () => {
    torch.scope(() => {
      const heads = (recon: Partial<ReconstructionOptions>): number =>
        [...linearWithTask(recon).network.stateDict().keys()].filter((name) => name.endsWith('linear.weight')).length;
      expect([heads({}), heads({ intermediates: 4 }), heads({ includeFinal: true })]).toEqual([2, 4, 3]);
    });
  });

  it('lambda is constant, or rises over the warm-up', () => {
    torch.scope(() => {
      const at = (objective: Objective, step: number): number => present(objective.weightsAt(step, 100).recon);
      const [constant, rising] = [linearWithTask({ lambda: 25 }), linearWithTask({ lambda: 25, warmupFraction: 0.1 })];
      expect([at(constant, 0), at(constant, 99)]).toEqual([25, 25]);
      expect([at(rising, 0), at(rising, 4), at(rising, 9), at(rising, 50)]).toEqual([2.5, 12.5, 25, 25]);
      expect(linearWithTask().weightsAt(0, 10).base).toBe(2);
    });
  });

  it("student_v2_only: v1's features get no gradient from the decoder, v2's do", () => {
    torch.scope(() => {
      const gradients = (source: ReconstructionOptions['source']): boolean[] => {
        const objective = linearWithTask({ source });
        present(run(objective).terms.recon).backward();
        const parameters = new Map(objective.network.namedParameters());
        return ['first.weight', 'second.weight'].map((name) => present(parameters.get(name)).grad !== undefined);
      };
      expect(gradients('student')).toEqual([true, true]);
      expect(gradients('student_v2_only')).toEqual([false, true]);
    });
  });

  it('clsEqui broadcast lets the class token into the decoder', () => {
    torch.scope(() => {
      const recon = (clsEqui: ReconstructionOptions['clsEqui']): number =>
        valueOf(run(linearWithTask({ clsEqui })).terms, 'recon');
      expect(recon('broadcast')).not.toBe(recon('ignore'));
    });
  });

  it('measures errors inside and outside the photo, whatever the loss counts', () => {
    torch.scope(() => {
      const plain = run(linearWithTask());
      const masked = run(linearWithTask({ maskOutside: true }));
      expect(valueOf(masked.terms, 'recon')).toBeCloseTo(valueOf(plain.figures, 'reconInside'), 5);
      expect(valueOf(masked.figures, 'reconOutside')).toBeCloseTo(valueOf(plain.figures, 'reconOutside'), 5);
      const [inside, outside] = [valueOf(plain.figures, 'reconInside'), valueOf(plain.figures, 'reconOutside')];
      const total = valueOf(plain.terms, 'recon');
      expect((total - inside) * (total - outside)).toBeLessThan(0); // the mean of all pixels lies between
    });
  });

  it('knows when no pixel can come from outside', () => {
    torch.scope(() => {
      expect(Object.keys(run(linearWithTask({ fill: 'content' })).figures)).toEqual([
        'reconInside',
        'reconOverUninformed',
      ]);
      const color = taskOptions({}, 'color').transformation;
      const { figures, terms } = run(linearWithTask({ transformation: color }));
      expect(Object.keys(figures)).toEqual(['reconInside', 'reconOverUninformed']);
      expect(valueOf(figures, 'reconInside')).toBeCloseTo(valueOf(terms, 'recon'), 6);
    });
  });

  it('names a base that has no second view', () => {
    torch.scope(() => {
      const task = reconstruction(taskOptions(), torch.generator(1));
      const add = (base: Objective) => (): Objective => withTask(base, task, taskOptions());
      expect(add(linearBase([8]))).toThrow('withTask: needs two views of equal size, got v1 8 px');
      expect(add(linearWithTask())).toThrow('has a path already, of another task');
      expect(add(linearBase([8, 4]))).toThrow('got v1 8 px, v2 4 px');
    });
  });

  it('names a batch without a path', () => {
    torch.scope(() => {
      const objective = linearWithTask();
      const batch = randomBatch(linearBase().views);
      expect(() => objective.forward(batch, stepParams(objective), objective.initialState(), evalContext())).toThrow(
        'the second view of the batch has no path',
      );
    });
  });

  it('the task can be learned: the error of one batch falls to a quarter in sixty steps', () => {
    torch.scope(() => {
      const objective = linearWithTask({ decoder: { kind: 'token_grid', channels: 32, activation: 'gelu' } });
      const optimizer = new AdamW([{ name: 'all', parameters: objective.network.parameters(), weightDecay: 0 }]);
      const [batch, params] = [randomBatch(objective.views, 2), stepParams(objective)];
      const losses = Array.from({ length: 60 }, () =>
        torch.scope(() => {
          const output = objective.forward(batch, params, objective.initialState(), evalContext('float32', true));
          present(output.terms.recon).backward();
          optimizer.step({ lr: 0.01 });
          optimizer.zeroGrad();
          return valueOf(output.terms, 'recon');
        }),
      );
      expect(losses.at(-1)).toBeLessThan(present(losses[0]) / 4);
    });
  });
});
