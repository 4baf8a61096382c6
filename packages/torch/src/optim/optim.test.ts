// Every optimizer against PyTorch (fixtures/optim.py), golden numbers, and what all of them promise.

import { describe, expect, it } from 'vitest';
import { type Tensor, generator, keep, randn, tensor, zeros } from '../index.js';
import { StateDictError } from '../nn/index.js';
import { Fixture } from '../testing/fixture.case.js';
import { expectClose, expectNoLeak } from '../testing/index.js';
import { Adam, AdamW, LARS, type Optimizer, type ParameterGroup, RMSprop, SGD, allFinite, updateEma } from './index.js';

const fixture = new Fixture('optim');
const lrs = fixture.get('lr').toArray() as number[];

const makers = {
  adamw: (groups: ParameterGroup[]): Optimizer => new AdamW(groups, { betas: [0.8, 0.99], eps: 1e-6 }),
  adam: (groups: ParameterGroup[]): Optimizer => new Adam(groups, { betas: [0.8, 0.99], eps: 1e-6 }),
  sgd: (groups: ParameterGroup[]): Optimizer => new SGD(groups),
  momentum: (groups: ParameterGroup[]): Optimizer => new SGD(groups, { momentum: 0.9 }),
  nesterov: (groups: ParameterGroup[]): Optimizer => new SGD(groups, { momentum: 0.7, nesterov: true }),
  rmsprop: (groups: ParameterGroup[]): Optimizer => new RMSprop(groups, { alpha: 0.9, eps: 1e-6 }),
  rmspropCentered: (groups: ParameterGroup[]): Optimizer =>
    new RMSprop(groups, { alpha: 0.9, eps: 1e-6, momentum: 0.8, centered: true }),
  lars: (groups: ParameterGroup[]): Optimizer => new LARS(groups, { trustCoefficient: 0.02 }),
};
type Name = keyof typeof makers;
const numStateTensors: Readonly<Record<Name, number>> = {
  adamw: 9,
  adam: 9,
  sgd: 0,
  momentum: 3,
  nesterov: 3,
  rmsprop: 3,
  rmspropCentered: 9,
  lars: 3,
};

function start(name: Name): { parameters: Tensor[]; optimizer: Optimizer } {
  const parameters = [0, 1, 2].map((i) => fixture.leaf(`p/${i}`));
  const optimizer = makers[name](
    parameters.map((parameter, i) => ({
      name: `group${i}`,
      parameters: [parameter],
      weightDecay: [0.1, 0, 0.3][i] ?? 0,
      lrScale: [1, 1, 0.5][i] ?? 1,
    })),
  );
  return { parameters, optimizer };
}

const gradientOf = (i: number, step: number): Tensor => fixture.get(`g/${i}`).select(0, step).clone();

function setGradients(parameters: readonly Tensor[], step: number): void {
  for (const [i, parameter] of parameters.entries()) {
    parameter.grad = step === 1 && i === 2 ? undefined : gradientOf(i, step);
  }
}

function takeSteps(parameters: readonly Tensor[], optimizer: Optimizer, steps: readonly number[]): void {
  for (const step of steps) {
    setGradients(parameters, step);
    optimizer.step({ lr: lrs[step] ?? 0 });
  }
}

const bytesOf = (tensors: Iterable<Tensor>): number[][] => Array.from(tensors, (entry) => [...entry.toBytes()]);

describe.each(Object.keys(makers) as Name[])('%s', (name) => {
  it('equals PyTorch over twenty steps to 1e-6, three groups and a missing gradient', () => {
    const { parameters, optimizer } = start(name);
    for (const step of lrs.keys()) {
      takeSteps(parameters, optimizer, [step]);
      parameters.forEach((parameter, i) => {
        const expected = fixture.get(`${name}/p/${i}`).select(0, step);
        expectClose(parameter, expected, { what: `step ${step}, parameter ${i}`, rtol: 1e-6, atol: 1e-6 });
      });
    }
    const state = optimizer.stateTensors();
    expect(state.size).toBe(numStateTensors[name]);
    for (const [key, values] of state) {
      const [, position = '', kind = ''] = /^group(\d)\.0\.(\w+)$/.exec(key) ?? [];
      expectClose(values, fixture.get(`${name}/${kind}/${position}`), { what: key, rtol: 1e-6, atol: 1e-6 });
    }
  });

  it('a parameter without a gradient does not shift the state of those after it', () => {
    const both = [fixture.leaf('p/0'), fixture.leaf('p/0')];
    const alone = fixture.leaf('p/0');
    const groupOf = (parameters: Tensor[]): ParameterGroup => ({ name: 'all', parameters, weightDecay: 0.1 });
    const [optimizer, single] = [makers[name]([groupOf(both)]), makers[name]([groupOf([alone])])];
    for (const step of [0, 1, 2]) {
      const gradient = gradientOf(0, step);
      const [first, second] = both as [Tensor, Tensor];
      // The first parameter has a gradient at the first step only, and another one.
      first.grad = step === 0 ? gradientOf(0, 4) : undefined;
      second.grad = gradient.clone();
      alone.grad = gradient.clone();
      optimizer.step({ lr: 0.1 });
      single.step({ lr: 0.1 });
    }
    expect(both[1]?.toArray()).toEqual(alone.toArray());
    expect(both[0]?.toArray()).not.toEqual(alone.toArray());
  });

  it('goes on from a saved state to the bit', () => {
    const straight = start(name);
    takeSteps(straight.parameters, straight.optimizer, [...lrs.keys()]);

    const [first, second] = [start(name), start(name)];
    takeSteps(first.parameters, first.optimizer, [...lrs.keys()].slice(0, 9));
    second.parameters.forEach((parameter, i) => parameter.detach().copy_(first.parameters[i] ?? parameter));
    second.optimizer.loadStateTensors(first.optimizer.stateTensors());
    takeSteps(second.parameters, second.optimizer, [...lrs.keys()].slice(9));
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
    const make = (groups: ParameterGroup[]) => () => makers[name](groups);
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

describe('RMSprop', () => {
  it('refuses numbers out of range', () => {
    expect(() => new RMSprop([], { alpha: 1 })).toThrow('RMSprop: alpha must be in [0, 1), got 1');
    expect(() => new RMSprop([], { momentum: 1 })).toThrow('RMSprop: momentum must be in [0, 1), got 1');
    expect(() => new RMSprop([], { eps: -1 })).toThrow('RMSprop: eps must be a number from 0, got -1');
  });
});

describe('Adam and AdamW', () => {
  it('are one optimizer without decay, and two with it', () => {
    const run = (OptimizerClass: typeof Adam | typeof AdamW, weightDecay: number): Uint8Array => {
      const weight = fixture.leaf('p/0');
      const optimizer = new OptimizerClass([{ name: 'w', parameters: [weight], weightDecay }]);
      for (const step of [0, 1, 2]) {
        weight.grad = gradientOf(0, step);
        optimizer.step({ lr: 0.1 });
      }
      return weight.toBytes();
    };
    expect(run(Adam, 0)).toEqual(run(AdamW, 0));
    expect(run(Adam, 0.1)).not.toEqual(run(AdamW, 0.1));
  });

  it('refuse betas outside [0, 1) and a negative eps', () => {
    expect(() => new Adam([], { betas: [0.9, 1] })).toThrow('Adam: betas must be in [0, 1), got 0.9 and 1');
    expect(() => new AdamW([], { eps: -1 })).toThrow('AdamW: eps must be a number from 0, got -1');
  });
});

describe('LARS', () => {
  it('steps in proportion to the weights: a larger gradient changes nothing, larger weights do', () => {
    const stepOf = (weights: number[][], gradient: number[][]): number[][] => {
      const weight = tensor(weights, { requiresGrad: true });
      weight.grad = tensor(gradient);
      new LARS([{ name: 'w', parameters: [weight], weightDecay: 0 }], { trustCoefficient: 0.1 }).step({ lr: 1 });
      return weight.detach().sub(tensor(weights)).toArray() as number[][];
    };
    // |p| = 5 and |g| = 2: the step is 0.1 * 5 / 2 * g.
    expectClose(tensor(stepOf([[3, 4]], [[0, 2]])), [[0, -0.5]]);
    expectClose(tensor(stepOf([[3, 4]], [[0, 200]])), [[0, -0.5]]);
    expectClose(tensor(stepOf([[30, 40]], [[0, 2]])), [[0, -5]]);
  });

  it('refuses a coefficient that is not positive', () => {
    expect(() => new LARS([], { trustCoefficient: 0 })).toThrow('LARS: trustCoefficient must be above 0, got 0');
    expect(() => new LARS([], { momentum: -1 })).toThrow('LARS: momentum must be in [0, 1), got -1');
  });
});

describe('numbers by group', () => {
  const names = ['body', 'head'];
  const start = (): { weights: Tensor[]; optimizer: SGD } => {
    const weights = names.map(() => tensor([1], { requiresGrad: true }));
    for (const weight of weights) weight.grad = tensor([1]);
    const groups = names.map((name, i) => ({ name, parameters: weights.slice(i, i + 1), weightDecay: i }));
    return { weights, optimizer: new SGD(groups) };
  };

  it('each group takes its own learning rate and decay scale', () => {
    const { weights, optimizer } = start();
    optimizer.step({ lr: { body: 0.25, head: 0.5 }, weightDecayScale: { head: 0.5, body: 7 } });
    expect(weights.map((weight) => weight.item())).toEqual([0.75, 1 - 0.5 * 1.5]);
  });

  it('a missing, unknown or impossible one is refused before anything changes', () => {
    const { weights, optimizer } = start();
    expect(() => optimizer.step({ lr: { body: 0.1 } })).toThrow(
      'SGD: lr must have one number a group (body, head), got body',
    );
    expect(() => optimizer.step({ lr: { body: 0.1, neck: 0.1 } })).toThrow('got body, neck');
    expect(() => optimizer.step({ lr: { body: 0.1, head: -1 } })).toThrow('lr of head must be a finite number from 0');
    expect(() => optimizer.step({ lr: 1, weightDecayScale: { body: 1 } })).toThrow('weightDecayScale must have one');
    expect(weights.map((weight) => weight.item())).toEqual([1, 1]);
  });
});

describe('updateEma and allFinite', () => {
  it('the moving average is a weighted sum of all sources', () => {
    const rng = generator(4);
    const [averaged, ...sources] = Array.from({ length: 4 }, () => keep(randn([3, 2], { generator: rng }))) as [
      Tensor,
      ...Tensor[],
    ];
    let expected = averaged.to({ dtype: 'float64', copy: true });
    for (const source of sources) {
      updateEma([averaged], [source], 0.9);
      expected = expected.mul(0.9).add(source.to('float64').mul(0.1));
    }
    expectClose(averaged, expected.to('float32'));
  });

  it('allFinite tells a gradient that is not finite', () => {
    expect(allFinite([tensor([1]), tensor([Number.NaN, 1])]).item()).toBe(0);
    expect(allFinite([tensor([1]), tensor([3e38])]).item()).toBe(1);
  });
});
