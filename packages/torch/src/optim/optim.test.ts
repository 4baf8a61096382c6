// Optimizers, clipping and the moving average against PyTorch (fixtures/optim.py) and golden numbers.

import { describe, expect, it } from 'vitest';
import { type Tensor, generator, keep, randn, tensor, zeros } from '../index.js';
import { StateDictError } from '../nn/index.js';
import { Fixture } from '../testing/fixture.case.js';
import { expectClose, expectNoLeak } from '../testing/index.js';
import { AdamW, type ParameterGroup, SGD, allFinite, clipGradNorm, updateEma } from './index.js';

const fixture = new Fixture('optim');
const lrs = fixture.get('lr').toArray() as number[];

interface Optimizer {
  step(options: { lr: number; weightDecayScale?: number }, foundInf?: Tensor): void;
  zeroGrad(): void;
  stateTensors(): Map<string, Tensor>;
  loadStateTensors(state: ReadonlyMap<string, Tensor>): void;
}

const makers: Readonly<Record<string, (groups: ParameterGroup[]) => Optimizer>> = {
  adamw: (groups) => new AdamW(groups, { betas: [0.8, 0.99], eps: 1e-6 }),
  sgd: (groups) => new SGD(groups),
  momentum: (groups) => new SGD(groups, { momentum: 0.9 }),
  nesterov: (groups) => new SGD(groups, { momentum: 0.7, nesterov: true }),
};

function start(name: string): { parameters: Tensor[]; optimizer: Optimizer } {
  const parameters = [0, 1, 2].map((i) => fixture.leaf(`p/${i}`));
  const optimizer = makers[name]?.(
    parameters.map((parameter, i) => ({
      name: `group${i}`,
      parameters: [parameter],
      weightDecay: [0.1, 0, 0.3][i] ?? 0,
      lrScale: [1, 1, 0.5][i] ?? 1,
    })),
  );
  if (optimizer === undefined) throw new Error(`no optimizer ${name}`);
  return { parameters, optimizer };
}

function setGradients(parameters: readonly Tensor[], step: number): void {
  for (const [i, parameter] of parameters.entries()) {
    parameter.grad = step === 1 && i === 2 ? undefined : fixture.get(`g/${step}/${i}`).clone();
  }
}

function takeSteps(parameters: readonly Tensor[], optimizer: Optimizer, steps: readonly number[]): void {
  for (const step of steps) {
    setGradients(parameters, step);
    optimizer.step({ lr: lrs[step] ?? 0 });
  }
}

const bytesOf = (tensors: Iterable<Tensor>): number[][] => Array.from(tensors, (entry) => [...entry.toBytes()]);

describe.each(Object.keys(makers))('%s', (name) => {
  it('equals PyTorch over five steps, three groups and a missing gradient', () => {
    const { parameters, optimizer } = start(name);
    for (const step of lrs.keys()) {
      takeSteps(parameters, optimizer, [step]);
      parameters.forEach((parameter, i) => {
        expectClose(parameter, fixture.get(`${name}/p/${step}/${i}`), { what: `step ${step}, parameter ${i}` });
      });
    }
    for (const [key, values] of optimizer.stateTensors()) {
      const [, position = '', kind = ''] = /^group(\d)\.0\.(\w+)$/.exec(key) ?? [];
      expectClose(values, fixture.get(`${name}/${kind}/${position}`), { what: key });
    }
    expect(optimizer.stateTensors().size).toBe({ adamw: 9, sgd: 0 }[name] ?? 3);
  });

  it('a parameter without a gradient does not shift the state of those after it', () => {
    const both = [fixture.leaf('p/0'), fixture.leaf('p/0')];
    const alone = fixture.leaf('p/0');
    const groupOf = (parameters: Tensor[]): ParameterGroup => ({ name: 'all', parameters, weightDecay: 0.1 });
    const [optimizer, single] = [makers[name]?.([groupOf(both)]), makers[name]?.([groupOf([alone])])];
    for (const step of [0, 1, 2]) {
      const gradient = fixture.get(`g/${step}/0`);
      const [first, second] = both as [Tensor, Tensor];
      // The first parameter has a gradient at the first step only, and another one.
      first.grad = step === 0 ? fixture.get('g/4/0').clone() : undefined;
      second.grad = gradient.clone();
      alone.grad = gradient.clone();
      optimizer?.step({ lr: 0.1 });
      single?.step({ lr: 0.1 });
    }
    expect(both[1]?.toArray()).toEqual(alone.toArray());
    expect(both[0]?.toArray()).not.toEqual(alone.toArray());
  });

  it('goes on from a saved state to the bit', () => {
    const straight = start(name);
    takeSteps(straight.parameters, straight.optimizer, [0, 1, 2, 3, 4]);

    const [first, second] = [start(name), start(name)];
    takeSteps(first.parameters, first.optimizer, [0, 1, 2]);
    second.parameters.forEach((parameter, i) => parameter.detach().copy_(first.parameters[i] ?? parameter));
    second.optimizer.loadStateTensors(first.optimizer.stateTensors());
    takeSteps(second.parameters, second.optimizer, [3, 4]);
    expect(bytesOf(second.parameters)).toEqual(bytesOf(straight.parameters));
    expect(bytesOf(second.optimizer.stateTensors().values())).toEqual(
      bytesOf(straight.optimizer.stateTensors().values()),
    );
  });

  it('a step with foundInf changes nothing, and the next goes on as if it had not been', () => {
    const [skipping, straight] = [start(name), start(name)];
    for (const parameter of skipping.parameters) parameter.grad = parameter.detach().mul(Number.NaN);
    const before = bytesOf([...skipping.parameters, ...skipping.optimizer.stateTensors().values()]);
    skipping.optimizer.step({ lr: 0.1 }, tensor(1));
    expect(bytesOf([...skipping.parameters, ...skipping.optimizer.stateTensors().values()])).toEqual(before);
    takeSteps(skipping.parameters, skipping.optimizer, [0, 1]);
    takeSteps(straight.parameters, straight.optimizer, [0, 1]);
    expect(bytesOf(skipping.parameters)).toEqual(bytesOf(straight.parameters));
  });

  it('refuses a state of other parameters before anything is copied', () => {
    const { optimizer } = start(name);
    const state = new Map(optimizer.stateTensors()).set('group9.0.exp_avg', zeros([1]));
    const load = (): void => optimizer.loadStateTensors(state);
    expect(load).toThrow(StateDictError);
    expect(load).toThrow('1 unexpected (group9.0.exp_avg)');
    const [key] = optimizer.stateTensors().keys();
    if (key === undefined) return;
    state.set(key, zeros([7]));
    expect(load).toThrow(`${key}: float32 [3, 4] here, float32 [7] given`);
  });

  it('leaves nothing behind, and zeroGrad drops the gradients', () => {
    const { parameters, optimizer } = start(name);
    expectNoLeak(() => {
      setGradients(parameters, 0);
      optimizer.step({ lr: 0.1 });
      optimizer.zeroGrad();
    });
    expect(parameters.map((parameter) => parameter.grad)).toEqual([undefined, undefined, undefined]);
  });

  it('refuses groups and steps that make no sense', () => {
    const make = (groups: ParameterGroup[]) => () => makers[name]?.(groups);
    const weight = zeros([1]);
    const group = { name: 'a', parameters: [weight], weightDecay: 0 };
    expect(make([group, { ...group, parameters: [] }])).toThrow(/every group must have its own name, got a twice/);
    expect(make([group, { ...group, name: 'b' }])).toThrow(/must be in one group once, got parameter 0 of b again/);
    expect(make([{ ...group, weightDecay: -1 }])).toThrow(/weightDecay of a must be a finite number from 0, got -1/);
    expect(make([{ ...group, lrScale: Number.NaN }])).toThrow(/lrScale of a must be/);
    expect(() => start(name).optimizer.step({ lr: Number.NaN })).toThrow(/lr must be a finite number from 0, got NaN/);
  });
});

describe('AdamW', () => {
  it('gives the golden numbers of one weight over three steps', () => {
    const weight = tensor([1], { requiresGrad: true });
    const optimizer = new AdamW([{ name: 'weight', parameters: [weight], weightDecay: 0.01 }]);
    // Decoupled AdamW, betas 0.9 and 0.999, eps 1e-8, learning rate 0.1, in float64.
    for (const [gradient, expected] of [
      [0.5, 0.899000002],
      [-0.25, 0.8714672987],
      [0.125, 0.8365529176],
    ] as const) {
      weight.grad = tensor([gradient]);
      optimizer.step({ lr: 0.1 });
      expectClose(weight, [expected], { rtol: 2e-7, atol: 0 });
    }
  });

  it('weightDecayScale multiplies every group its decay', () => {
    const [scaled, plain] = [tensor([2], { requiresGrad: true }), tensor([2], { requiresGrad: true })];
    const optimizerOf = (weight: Tensor, weightDecay: number) =>
      new AdamW([{ name: 'w', parameters: [weight], weightDecay }]);
    for (const weight of [scaled, plain]) weight.grad = tensor([1]);
    optimizerOf(scaled, 0.1).step({ lr: 0.5, weightDecayScale: 3 });
    optimizerOf(plain, 0.3).step({ lr: 0.5 });
    expectClose(scaled, plain);
    expect(Math.abs(plain.item() - (2 - 0.5 * 0.3 * 2 - 0.5))).toBeLessThan(1e-6);
  });
});

describe('SGD', () => {
  it('refuses a momentum outside [0, 1) and Nesterov without one', () => {
    expect(() => new SGD([], { momentum: 1 })).toThrow('SGD: momentum must be in [0, 1), got 1');
    expect(() => new SGD([], { nesterov: true })).toThrow('SGD: nesterov needs a momentum, got 0');
  });
});

describe('clipGradNorm, updateEma, allFinite', () => {
  it.each([1, 100])('clipping to %d equals PyTorch', (maxNorm) => {
    const { parameters } = start('sgd');
    setGradients(parameters, 0);
    expectClose(clipGradNorm(parameters, maxNorm), fixture.get('clip/norm'));
    parameters.forEach((parameter, i) => {
      expectClose(parameter.grad ?? zeros([]), fixture.get(`clip/${maxNorm}/${i}`), { what: `gradient ${i}` });
    });
  });

  it('the moving average is a weighted sum of all sources, and a skipped update is none', () => {
    const rng = generator(4);
    const [averaged, ...sources] = Array.from({ length: 4 }, () => keep(randn([3, 2], { generator: rng }))) as [
      Tensor,
      ...Tensor[],
    ];
    let expected = averaged.to({ dtype: 'float64', copy: true });
    for (const [i, source] of sources.entries()) {
      updateEma([averaged], [source], 0.9, i === 1 ? tensor(1) : undefined);
      if (i !== 1) expected = expected.mul(0.9).add(source.to('float64').mul(0.1));
    }
    expectClose(averaged, expected.to('float32'));
  });

  it('allFinite tells a gradient that is not finite', () => {
    expect(allFinite([tensor([1]), tensor([Number.NaN, 1])]).item()).toBe(0);
    expect(allFinite([tensor([1]), tensor([3e38])]).item()).toBe(1);
  });
});
