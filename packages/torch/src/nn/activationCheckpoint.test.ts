import { describe, expect, it } from 'vitest';
import { type Tensor, generator, memory, randn, scope } from '../index.js';
import { expectNoLeak } from '../testing/index.js';
import {
  BatchNorm1d,
  type ForwardContext,
  Linear,
  Sequential,
  type TrainingContext,
  activationCheckpoint,
  dropout,
  relu,
} from './index.js';

const width = 6;

/** A layer with draws and running statistics, the same one each time. */
function makeBlocks(): Sequential[] {
  const rng = generator(1);
  return [0, 1, 2].map(
    () =>
      new Sequential(
        new Linear(width, width, rng),
        new BatchNorm1d(width),
        relu,
        (x, ctx) => dropout(x, 0.3, ctx),
        new Linear(width, width, rng),
      ),
  );
}

const makeContext = (): TrainingContext => ({ train: true, rng: generator(9), computeDtype: 'float32' });
const makeInput = (): Tensor => randn([7, width], { generator: generator(2) }).requiresGrad_();
const lossOf = (y: Tensor, ctx: ForwardContext): Tensor => dropout(y.square(), 0.5, ctx).mean();

interface Outcome {
  readonly loss: Uint8Array;
  readonly gradients: (Uint8Array | undefined)[];
  readonly buffers: Uint8Array[];
  readonly draws: Uint8Array;
}

function outcomeOf(run: (blocks: readonly Sequential[], x: Tensor, ctx: ForwardContext) => Tensor): Outcome {
  return scope(() => {
    const [blocks, x, ctx] = [makeBlocks(), makeInput(), makeContext()];
    // x comes out of a graph of its own, as tokens do of a patch embedding.
    const loss = run(blocks, x.mul(2), ctx);
    return {
      loss: loss.toBytes(),
      gradients: [x, ...blocks.flatMap((block) => block.parameters())].map((leaf) => leaf.grad?.toBytes()),
      buffers: blocks.flatMap((block) => block.buffers().map((buffer) => buffer.toBytes())),
      draws: ctx.rng.getState(),
    };
  });
}

function trainPlainly(blocks: readonly Sequential[], x: Tensor, ctx: ForwardContext): Tensor {
  const loss = lossOf(
    blocks.reduce((y, block) => block.forward(y, ctx), x),
    ctx,
  );
  loss.backward();
  return loss;
}

function trainCheckpointed(blocks: readonly Sequential[], x: Tensor, ctx: ForwardContext): Tensor {
  let y = x;
  const checkpoints = blocks.map((block) => {
    const checkpoint = activationCheckpoint(block, y, ctx);
    y = checkpoint.output;
    return checkpoint;
  });
  const loss = lossOf(y, ctx);
  loss.backward();
  for (const checkpoint of checkpoints.reverse()) checkpoint.backward();
  return loss;
}

describe('activationCheckpoint', () => {
  it('gives the loss, gradients, running statistics and draws of a plain pass to the bit', () => {
    const [plain, checkpointed] = [outcomeOf(trainPlainly), outcomeOf(trainCheckpointed)];
    expect(plain.gradients.every((gradient) => gradient !== undefined)).toBe(true);
    expect(checkpointed).toEqual(plain);
  });

  it('keeps no activations: memory after the forward pass is that of the outputs', () => {
    scope(() => {
      const [batch, wide] = [64, 32];
      const layer = new Sequential(...Array.from({ length: 8 }, () => (x: Tensor) => x.sin()));
      const x = randn([batch, wide], { generator: generator(0) }).requiresGrad_();
      const [ctx, before] = [makeContext(), memory.stats().liveBytes];
      activationCheckpoint(layer, x, ctx);
      const checkpointed = memory.stats().liveBytes - before;
      layer.forward(x, ctx);
      const plain = memory.stats().liveBytes - before - checkpointed;
      expect(checkpointed).toBe(batch * wide * 4);
      expect(plain).toBeGreaterThanOrEqual(8 * batch * wide * 4);
    });
  });

  it('a frozen layer passes the gradient on, and one below which nothing is trained does nothing', () => {
    scope(() => {
      const [block, ctx] = [makeBlocks()[0] ?? new Sequential(), makeContext()];
      block.requiresGrad_(false);
      const x = makeInput();
      const checkpoint = activationCheckpoint(block, x, ctx);
      checkpoint.output.sum().backward();
      checkpoint.backward();
      expect(x.grad?.abs().sum().item()).toBeGreaterThan(0);
      const unused = activationCheckpoint(block, x.detach(), ctx);
      unused.output.sum().backward();
      unused.backward();
    });
  });

  it('refuses to go back before there is a gradient', () => {
    scope(() => {
      const checkpoint = activationCheckpoint(new Linear(width, 2, generator(0)), makeInput(), makeContext());
      expect(() => checkpoint.backward()).toThrow('activationCheckpoint: output must have a gradient, got none');
    });
  });

  it('leaves nothing behind', () => {
    const [blocks, ctx] = [makeBlocks(), makeContext()];
    expectNoLeak(() => {
      trainCheckpointed(blocks, makeInput(), ctx);
      for (const block of blocks) for (const parameter of block.parameters()) parameter.grad = undefined;
    });
  });
});
