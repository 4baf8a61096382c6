import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { evalContext, valueOf } from '../models/fixture.case.js';
import { randomBatch, stepParams } from './objective.case.js';
import { expectOneBatch, smallConfig } from './reference.case.js';
import { simclr } from './simclr.js';

const section = (change: object = {}): object => ({ simclr: { projector: [8, 6], ...change } });

describe('simclr', () => {
  it('loss and gradients of one batch equal those of an independent PyTorch script', () => {
    expectOneBatch('simclr', smallConfig({ objective: 'simclr', ...section() }));
  });

  it('the temperature and what stands for an image change the loss', () => {
    const loss = (change: object): number =>
      torch.scope(() => {
        const objective = simclr(smallConfig(section(change)), torch.generator(0));
        const batch = randomBatch(objective.views, 6);
        return valueOf(
          objective.forward(batch, stepParams(objective), {}, evalContext('float32', true)).terms,
          'ntXent',
        );
      });
    const plain = loss({});
    expect(loss({ temperature: 0.1 })).toBe(plain); // SIE's and SimCLR's for ImageNet
    expect(loss({ temperature: 0.5 })).not.toBe(plain); // SimCLR's for CIFAR
    expect(loss({ pool: 'cls' })).not.toBe(plain);
  });

  it('asks for two plain views and has one term of weight 1', () => {
    torch.scope(() => {
      const objective = simclr(smallConfig(section()), torch.generator(0));
      expect(objective.views).toEqual([
        { name: 'v1', sizePx: 8 },
        { name: 'v2', sizePx: 8 },
      ]);
      expect(objective.weightsAt(3, 10)).toEqual({ ntXent: 1 });
    });
  });

  it('names a split that leaves nothing', () => {
    const config = smallConfig({ ...section(), split: { dim: 10, equivariantDim: 10 } });
    expect(() => simclr(config, torch.generator(0))).toThrow('split.equivariantDim: must lie between 0 and 9');
  });
});
