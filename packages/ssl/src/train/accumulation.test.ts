/** What `optim.accumulate` says it does, and that it does so: two batches of a step against one batch of both. */
import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import type { DeviceBatch } from '../data/batch.js';
import { objectiveBatch } from '../objectives/objective.case.js';
import { tinyConfig } from '../run/scratch.case.js';
import { accumulationText } from './accumulation.js';
import { derivedValues } from './derived.js';
import { stepParams } from './schedule.js';
import { checkpointTensors, createTrainState } from './state.js';
import { backward, update } from './step.js';

const HERE = { numPhotos: 8, computeDtype: 'float32' } as const;
const HEAD = '{ hiddenDim: 12, bottleneckDim: 6, prototypes: 9 }';
const distillation = (name: string): string[] => [`objective=${name}`, `${name}=${HEAD}`, 'model.imagePx=16'];
const DINO = distillation('dino');
const IBOT = distillation('ibot');
const DINOV2 = distillation('dinov2');

/** Images `first` to `first + count` of a batch. */
function part(batch: DeviceBatch, first: number, count: number): DeviceBatch {
  const cut = (x: torch.Tensor): torch.Tensor => x.narrow(0, first, count);
  return {
    indices: batch.indices.subarray(first, first + count),
    views: batch.views.map(({ name, images, path, mask }) => ({
      name,
      images: cut(images),
      ...(mask && { mask: cut(mask) }),
      ...(path && {
        path: {
          theta: cut(path.theta),
          start: cut(path.start),
          states: path.states.map(cut),
          valid: path.valid.map(cut),
        },
      }),
    })),
  };
}

/**
 * Largest difference of a number of the state, over the largest of its tensor's, after two steps of 2 batches of 4 and after two of a
 * batch of 8. By SGD, which is linear in the gradient: AdamW divides by its size, which makes rounding of a zero into a whole step.
 */
function differenceFromLargeBatch(settings: readonly string[]): number {
  return torch.scope(() => {
    const after = [1, 2].map((accumulate) => {
      const config = tinyConfig(
        ...['optim.algorithm=sgd', 'optim.lr=0.1', 'optim.warmupFraction=0', 'recon.target=none', ...settings],
        ...[`optim.accumulate=${accumulate}`, `train.batch=${8 / accumulate}`],
      );
      const state = createTrainState(config, 'float32');
      for (let step = 0; step < 2; step++) {
        const params = stepParams(step, config, state.objective);
        const large = objectiveBatch(state.objective, 8, 11 + step);
        const batches = Array.from({ length: accumulate }, (_, i) => {
          return backward(state, part(large, (i * 8) / accumulate, 8 / accumulate), params);
        });
        state.objectiveState = update(state, batches, params).objectiveState;
      }
      const { model, optimizer } = checkpointTensors(state);
      return new Map([...model, ...optimizer]);
    });
    const [whole, parts] = after;
    const differences = [...(whole ?? [])].map(([name, tensor]) => {
      const difference = tensor
        .sub(parts?.get(name) ?? NaN)
        .abs()
        .amax()
        .item();
      return difference / Math.max(tensor.abs().amax().item(), 1e-3);
    });
    expect(differences.length).toBeGreaterThan(10);
    return Math.max(...differences);
  });
}

describe('a step of two batches', () => {
  // Sums of f32 in another order, through two steps: 8e-7 at most when it was written.
  const ROUNDING = 1e-5;

  it.each([
    ['dino', DINO],
    ['ibot', IBOT],
    ['dino with the task', [...DINO, 'recon.target=rotation']],
    ['ibot with the task on whole views', [...IBOT, 'recon.target=color', 'recon.masking=unmasked']],
  ])('is one of their union where no image of the loss sees another: %s', (_, settings = []) => {
    expect(differenceFromLargeBatch(settings)).toBeLessThan(ROUNDING);
  });

  it.each([
    ['vicreg', [], 'variance, covariance, the batch norm of the expander'],
    ['simclr', ['objective=simclr', 'simclr.projector=[8, 8]'], 'ntXent, the batch norm of the projector'],
    ['dinov2', DINOV2, 'koleo, the centre of masked patches'],
    ['dinov2, sinkhorn', [...DINOV2, 'dinov2.targets=sinkhorn', 'dinov2.koleoWeight=0'], 'sinkhorn'],
  ])('is not where some do, and says where: %s', (_, settings = [], what = '') => {
    const base = tinyConfig('recon.target=none', ...settings, 'optim.accumulate=2');
    expect(derivedValues(base, HERE).accumulation).toBe(
      `a step of 2 batches of 4 is not one of a batch of 8: ${what} see 4 images at a time; ` +
        'raise train.batch as far as memory allows (train.checkpointActivations=true needs less of it), and lower optim.accumulate',
    );
    expect(differenceFromLargeBatch(settings)).toBeGreaterThan(100 * ROUNDING);
  });

  it.each([
    ['recon without its outside', ['recon.maskOutside=true']],
    ['the batch norm of the regressor', ['recon.of=theta', 'recon.regressor=[8]']],
    ['the batch norm of the encoder', ['model.kind=resnet18', 'model.imagePx=32']],
  ])('names what the task and the encoder mix: %s', (what, settings) => {
    const config = tinyConfig(...DINO, ...settings, 'optim.accumulate=2');
    expect(derivedValues(config, HERE).accumulation).toContain(`one of a batch of 8: ${what} see 4 images`);
  });
});

describe('accumulationText', () => {
  it('says nothing of a step of one batch, and what others are', () => {
    expect(accumulationText(tinyConfig(), {})).toBeUndefined();
    expect(accumulationText(tinyConfig('optim.accumulate=3'), {})).toBe(
      'a step of 3 batches of 4 is one of a batch of 12, but for rounding and the draws of drop path',
    );
  });
});
