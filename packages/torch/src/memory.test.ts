import { afterEach, describe, expect, it } from 'vitest';
import {
  OutOfMemoryError,
  type Tensor,
  empty,
  fused,
  generator,
  keep,
  memory,
  noGrad,
  ones,
  randn,
  scope,
  tensor,
  zeros,
} from './index.js';

const budget = memory.stats().budgetBytes;
// The same request may be given blocks of slightly different sizes by malloc.
const slackBytes = 1024;
afterEach(() => memory.setBudget(budget));

describe('memory', () => {
  it('counts live and peak bytes', () => {
    const before = memory.stats().liveBytes;
    memory.resetPeak();
    const large = zeros([1 << 20]);
    expect(memory.stats().liveBytes - before).toBeGreaterThanOrEqual(4 << 20);
    large.dispose();
    expect(memory.stats().liveBytes).toBe(before);
    expect(memory.stats().peakBytes - before).toBeGreaterThanOrEqual(4 << 20);
    memory.resetPeak();
    expect(memory.stats().peakBytes).toBe(before);
  });

  it('has a default budget within the machine', () => {
    expect(budget).toBeGreaterThan(2 ** 28);
    expect(budget).toBeLessThan(2 ** 44);
  });

  it('a request beyond the budget is an error with the figures, and the process goes on', () => {
    memory.setBudget(memory.stats().liveBytes + (8 << 20));
    expect(() => zeros([4 << 20])).toThrow(OutOfMemoryError);
    expect(() => zeros([4 << 20])).toThrow(/^zeros: it needs 16777216 bytes more, \d+ of a budget of \d+ are in use/);
    const x = zeros([1 << 20]);
    expect(() => x.repeat([8])).toThrow(OutOfMemoryError);
    expect(x.sum().item()).toBe(0);
    x.dispose();
  });

  it('a size no machine has is an error as well', () => {
    expect(() => zeros([2 ** 40, 2 ** 10])).toThrow(OutOfMemoryError);
    expect(() => zeros([2 ** 40, 2 ** 40])).toThrow(/zeros: /);
  });

  it('a request refused in the middle of backward leaves parameters and later steps as they were', () => {
    const undisturbed = new SmallTraining();
    const expected = [undisturbed.step(0), undisturbed.step(1)];
    const training = new SmallTraining();
    const losses = [training.step(0)];
    const before = memory.stats();
    const x = ones([64, 64]).requiresGrad_();
    const loss = scope(() => x.mul(x).mul(x).sum());
    memory.setBudget(memory.stats().liveBytes + x.numel * 4 + slackBytes); // two gradients of this size are needed at once
    expect(() => loss.backward()).toThrow(OutOfMemoryError);
    memory.setBudget(budget);
    for (const tensor of [loss, x]) tensor.dispose();
    losses.push(training.step(1));
    expect(losses).toEqual(expected);
    expect(memory.stats().liveTensors).toBe(before.liveTensors);
    expect(memory.stats().liveBytes).toBeLessThan(before.liveBytes + slackBytes);
  });

  it('bytes read into V8 count too: more than the budget are an error, where V8 would end the process', () => {
    const large = zeros([1]).expand([2 ** 32]);
    memory.setBudget(2 ** 30);
    expect(() => large.toBytes()).toThrow(OutOfMemoryError);
    const half = empty([2 ** 28], { dtype: 'uint8' }); // its pages are never touched
    memory.setBudget(memory.stats().liveBytes + 2 ** 27);
    expect(() => half.toBytes()).toThrow(/^toBytes: it needs 268435456 bytes more/);
    half.dispose();
  });

  it('a graph of 50,000 operators is walked and freed without recursion', () => {
    const before = memory.stats();
    scope(() => {
      const x = tensor([2], { requiresGrad: true });
      let y = x.mul(1);
      for (let i = 0; i < 50_000; i++) y = y.add(1);
      y.backward();
      expect(x.grad?.item()).toBe(1);
    });
    expect(memory.stats().liveBytes - before.liveBytes).toBeLessThan(slackBytes);
  });

  it('a budget is a number of bytes', () => {
    expect(() => memory.setBudget(-1)).toThrow(/must be a number of bytes, got -1/);
  });
});

/** Some steps of a two-layer network with AdamW, as a training loop runs them; returns what to keep of the last step. */
class SmallTraining {
  readonly params = [
    randn([16, 8], { generator: generator(1) }),
    zeros([16]),
    randn([4, 16], { generator: generator(2) }),
  ].map((param) => keep(param.requiresGrad_()));
  readonly moments = [0, 1].map(() => this.params.map((param) => keep(param.detach().zerosLike())));
  readonly steps = this.params.map(() => keep(zeros([])));

  step(seed: number): number {
    return scope(() => {
      const [first, bias, second] = this.params as [Tensor, Tensor, Tensor];
      const x = randn([32, 8], { generator: generator(seed) }); // [B, D]
      const loss = x.linear(first, bias).gelu().linear(second).square().mean();
      loss.backward();
      fused.clipGradNorm(this.params, 1);
      const grads = this.params.map((param) => param.grad ?? param);
      const [expAvgs = [], expAvgSqs = []] = this.moments;
      const options = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.05 };
      fused.adamwStep(this.params, grads, expAvgs, expAvgSqs, this.steps, options);
      fused.zeroGrad(this.params);
      return loss.item();
    });
  }
}

describe('a training loop', () => {
  it('has the same handles and bytes after 1,000 steps as after 10, and learns', () => {
    const training = new SmallTraining();
    const losses: number[] = [];
    for (let step = 0; step < 10; step++) losses.push(training.step(step));
    const early = memory.stats();
    for (let step = 10; step < 1000; step++) losses.push(training.step(step));
    const late = memory.stats();
    expect(late.liveTensors).toBe(early.liveTensors);
    expect(late.liveBytes).toBe(early.liveBytes);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) * 0.9);
  });

  it('live bytes show a graph that is carried on, which handle counts do not; detach mends it', () => {
    const bytesAfter = (carry: (state: Tensor) => Tensor) => {
      const weight = keep(tensor([0.5], { requiresGrad: true }));
      let state = keep(zeros([1024]));
      const before = memory.stats();
      for (let step = 0; step < 50; step++) {
        const last = state;
        state = scope(() => keep(carry(last.mul(weight).add(1))));
        last.dispose();
      }
      const after = memory.stats();
      expect(after.liveTensors).toBe(before.liveTensors);
      state.dispose();
      weight.dispose();
      return after.liveBytes - before.liveBytes;
    };
    expect(bytesAfter((state) => state)).toBeGreaterThan(40 * 4096);
    expect(bytesAfter((state) => state.detach())).toBeLessThan(slackBytes);
    expect(bytesAfter((state) => noGrad(() => state.detach().clone()))).toBeLessThan(slackBytes);
  });
});
