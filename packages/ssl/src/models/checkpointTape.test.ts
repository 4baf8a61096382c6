import { createHash } from 'node:crypto';
import * as torch from '@halfway/torch';
import type { TrainingContext } from '@halfway/torch/nn';
import { expectNoLeak } from '@halfway/torch/testing';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../config/schema.js';
import { CheckpointTape } from './checkpointTape.js';
import { createEncoder } from './createEncoder.js';
import type { Encoder } from './encoder.js';

const ENCODERS = {
  'a vision transformer': {
    ...{ size: 'custom', widthDim: 24, depth: 6, numHeads: 3, patch: 4, imagePx: 16 },
    ...{ dropPathRate: 0.4, dropPathForm: 'batch_subset' },
  },
  'a ResNet': { kind: 'resnet18', imagePx: 16, resnet: { stem: 'small' } },
} as const;
const NAMES = Object.keys(ENCODERS) as (keyof typeof ENCODERS)[];
// Of what a plain step takes. A ResNet keeps its stem, and its first blocks are the largest: 0.54 with the convolutions of a CPU with AVX2,
// below 0.5 with those of one with AVX512.
const LARGEST_SHARE = { 'a vision transformer': 0.5, 'a ResNet': 0.6 } as const;

function encoderOf(name: keyof typeof ENCODERS): Encoder {
  return createEncoder(configSchema.parse({ model: ENCODERS[name] }).model, torch.generator(1));
}

/** One training pass over two batches, as a step with views of two sizes has. */
function pass(encoder: Encoder, ctx: TrainingContext, tape?: CheckpointTape): torch.Tensor {
  const losses = [16, 8].map((px) => {
    const images = torch.randn([8, 3, px, px], { generator: torch.generator(px) });
    const { cls, patches } = encoder.forward(images, { ...ctx, tape });
    return cls.square().mean().add(patches.sin().mean());
  });
  const loss = torch.stack(losses).sum();
  loss.backward();
  tape?.backward();
  return loss;
}

const context = (): TrainingContext => ({ train: true, rng: torch.generator(2), computeDtype: 'float32' });

/** Equal for the same bits; to compare the 45 MB of a ResNet byte by byte takes a minute. */
function digest(tensor: torch.Tensor): string {
  return createHash('sha256').update(tensor.toBytes()).digest('hex');
}

function outcomeOf(name: keyof typeof ENCODERS, tape?: CheckpointTape): object {
  return torch.scope(() => {
    const [encoder, ctx] = [encoderOf(name), context()];
    const loss = digest(pass(encoder, ctx, tape));
    const gradients = encoder.namedParameters().map(([key, { grad }]) => [key, grad && digest(grad)]);
    return { loss, gradients, buffers: encoder.buffers().map(digest), draws: ctx.rng.getState() };
  });
}

describe('CheckpointTape', () => {
  it.each(NAMES)('%s has the loss, gradients, statistics and draws of a plain pass, to the bit', (name) => {
    const plain = outcomeOf(name);
    expect(outcomeOf(name, new CheckpointTape())).toEqual(plain);
  });

  it.each(NAMES)('%s: the step takes less memory', (name) => {
    const encoder = encoderOf(name);
    for (const parameter of encoder.parameters()) parameter.grad = torch.keep(torch.zerosLike(parameter));
    const activationBytes = (tape?: CheckpointTape): number =>
      torch.scope(() => {
        torch.memory.resetPeak();
        const before = torch.memory.stats().liveBytes;
        pass(encoder, context(), tape);
        return torch.memory.stats().peakBytes - before;
      });
    activationBytes(); // sets up kernels and caches
    const plain = activationBytes();
    expect(activationBytes(new CheckpointTape())).toBeLessThan(plain * LARGEST_SHARE[name]);
  });

  it('notes nothing without gradients, so that a teacher may be given the same context', () => {
    torch.scope(() => {
      const [encoder, tape] = [encoderOf('a vision transformer'), new CheckpointTape()];
      const { cls } = torch.noGrad(() => encoder.forward(torch.ones([2, 3, 16, 16]), { ...context(), tape }));
      expect(cls.requiresGrad).toBe(false);
      expect(() => tape.backward()).not.toThrow();
    });
  });

  it('refuses to go back through a block that the loss did not see', () => {
    torch.scope(() => {
      const [encoder, tape] = [encoderOf('a vision transformer'), new CheckpointTape()];
      encoder.forward(torch.ones([2, 3, 16, 16]), { ...context(), tape });
      expect(() => tape.backward()).toThrow('activationCheckpoint: output must have a gradient, got none');
    });
  });

  it('leaves nothing behind', () => {
    const [encoder, ctx, tape] = [encoderOf('a vision transformer'), context(), new CheckpointTape()];
    expectNoLeak(() => {
      pass(encoder, ctx, tape);
      for (const parameter of encoder.parameters()) parameter.grad = undefined;
    });
  });
});
