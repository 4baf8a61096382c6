import { describe, expect, it } from 'vitest';
import { DtypeError, type Tensor, generator, keep, scope, tensor, zeros } from '../index.js';
import { expectNoLeak } from '../testing/index.js';
import { Linear, Module, Parameter, StateDictError } from './index.js';

class Net extends Module {
  readonly clsToken = new Parameter(zeros([1, 2]));
  readonly patchEmbed: Linear;
  readonly blocks: readonly Linear[];
  readonly runningMean = keep(zeros([2]));
  readonly ls1: Linear | undefined = undefined;
  readonly widthDim = 2;
  readonly #hidden = keep(zeros([9]));

  constructor(seed = 0) {
    super();
    const rng = generator(seed);
    this.patchEmbed = new Linear(3, 2, rng);
    this.blocks = [new Linear(2, 2, rng), new Linear(2, 2, rng, { bias: false })];
  }

  get hidden(): Tensor {
    return this.#hidden;
  }
}

const weights = [
  'cls_token',
  'patch_embed.weight',
  'patch_embed.bias',
  'blocks.0.weight',
  'blocks.0.bias',
  'blocks.1.weight',
];

describe('Module', () => {
  it('names parameters and buffers by the snake_case path of its properties', () => {
    const net = new Net();
    expect(
      net
        .namedParameters()
        .map(([name]) => name)
        .sort(),
    ).toEqual([...weights].sort());
    expect(net.namedBuffers().map(([name]) => name)).toEqual(['running_mean']);
    expect([...net.stateDict().keys()].sort()).toEqual([...weights, 'running_mean'].sort());
    expect(net.numParameters()).toBe(2 + 8 + 6 + 4);
    expect(net.parameters().every((parameter) => parameter.requiresGrad && parameter.isLeaf)).toBe(true);
    expect(net.hidden.isDisposed).toBe(false);
  });

  it('names itself and all modules below, parents first', () => {
    const net = new Net();
    expect(net.namedModules().map(([name, module]) => [name, module.constructor.name])).toEqual([
      ['', 'Net'],
      ['patch_embed', 'Linear'],
      ['blocks.0', 'Linear'],
      ['blocks.1', 'Linear'],
    ]);
    expect(new Map(net.namedModules()).get('blocks.1')).toBe(net.blocks[1]);
  });

  it('freezes a part: no gradient, no more of it counted as trainable, and back', () => {
    scope(() => {
      const net = new Net();
      const all = net.numParameters();
      net.patchEmbed.weight.grad = zeros([2, 3]);
      expect(net.patchEmbed.requiresGrad_(false)).toBe(net.patchEmbed);
      expect([net.numParameters(), net.numParameters({ trainable: true })]).toEqual([all, all - 8]);
      expect(net.patchEmbed.weight.grad).toBeUndefined();
      const y = net.patchEmbed.forward(zeros([1, 3]), { train: true, rng: generator(0), computeDtype: 'float32' });
      expect(y.requiresGrad).toBe(false);
      net.requiresGrad_();
      expect(net.numParameters({ trainable: true })).toBe(all);
    });
  });

  it('lists a shared parameter once and saves it under both names', () => {
    class Tied extends Module {
      readonly encoder = new Linear(2, 2, generator(0), { bias: false });
      readonly decoder = this.encoder;
    }
    const tied = new Tied();
    expect(tied.namedModules().map(([name]) => name)).toEqual(['', 'encoder']);
    expect(tied.namedParameters().map(([name]) => name)).toEqual(['encoder.weight']);
    expect(tied.numParameters()).toBe(4);
    expect([...tied.stateDict().keys()]).toEqual(['encoder.weight', 'decoder.weight']);
  });

  it('carries a state from one module to another to the bit', () => {
    const [from, to] = [new Net(1), new Net(2)];
    const bytes = (net: Net) => [...net.stateDict()].map(([name, value]) => [name, value.toBytes()]);
    from.runningMean.add_(0.1);
    expect(bytes(to)).not.toEqual(bytes(from));
    expect(to.loadStateDict(from.stateDict())).toEqual({ missing: [], unexpected: [] });
    expect(bytes(to)).toEqual(bytes(from));
    expect(to.parameters().every((parameter) => parameter.requiresGrad && parameter.isLeaf)).toBe(true);
  });

  it('parameters outlive the scope they were made in, and nothing else does', () => {
    const net = scope(() => {
      const made = new Net();
      return { value: () => made.patchEmbed.weight.toArray() };
    });
    expect(net.value()).toHaveLength(2);
    expectNoLeak(() => {
      const linear = new Linear(3, 2, generator(0));
      for (const parameter of linear.parameters()) parameter.dispose();
    });
  });
});

describe('loadStateDict', () => {
  it('names what is missing, unexpected and misshapen, and changes nothing', () => {
    const net = new Net();
    const state = new Map<string, Tensor>(new Net(7).stateDict());
    state.delete('cls_token');
    state.set('head.weight', zeros([1]));
    state.set('blocks.0.bias', zeros([3]));
    state.set('running_mean', zeros([2], { dtype: 'int64' }));
    const before = net.patchEmbed.weight.toArray();
    const load = (): unknown => net.loadStateDict(state);
    expect(load).toThrow(StateDictError);
    expect(load).toThrow(
      'loadStateDict: names, shapes and kinds of dtype must be those of its 7 tensors, got 1 missing (cls_token); ' +
        '1 unexpected (head.weight); 2 mismatched (',
    );
    expect(load).toThrow('blocks.0.bias: float32 [2] here, float32 [3] given');
    expect(load).toThrow('running_mean: float32 [2] here, int64 [2] given');
    expect(net.patchEmbed.weight.toArray()).toEqual(before);
  });

  it('the message stays short and the error has every name', () => {
    const unexpected = Array.from({ length: 30 }, (_, i) => `module.x${i}`);
    let caught: unknown;
    try {
      new Net().loadStateDict(new Map(unexpected.map((name) => [name, zeros([1])])));
    } catch (error) {
      caught = error;
    }
    if (!(caught instanceof StateDictError)) throw new Error('must be a StateDictError');
    expect(caught.unexpected).toEqual(unexpected);
    expect(caught.missing).toHaveLength(7);
    expect(caught.message).toContain('30 unexpected (module.x0, ');
    expect(caught.message).toContain('module.x7, ...)');
  });

  it('when not strict, copies what fits, converts float dtypes and reports the rest', () => {
    const net = new Net();
    const state = new Map([
      ['cls_token', tensor([[1.5, 2.5]], { dtype: 'bfloat16' })],
      ['other', zeros([1])],
    ]);
    const { missing, unexpected } = net.loadStateDict(state, { strict: false });
    expect(missing).toHaveLength(6);
    expect(unexpected).toEqual(['other']);
    expect([net.clsToken.toArray(), net.clsToken.dtype]).toEqual([[[1.5, 2.5]], 'float32']);
    expect(() => net.loadStateDict(new Map([['cls_token', zeros([2])]]), { strict: false })).toThrow(StateDictError);
  });
});

describe('Parameter', () => {
  it('takes over the tensor it is given', () => {
    const values = tensor([1, 2]);
    const parameter = new Parameter(values);
    expect([parameter.toArray(), values.isDisposed, parameter.isDisposed]).toEqual([[1, 2], true, false]);
  });

  it('refuses a computed tensor and whole numbers', () => {
    scope(() => {
      const x = tensor([1], { requiresGrad: true });
      expect(() => new Parameter(x.mul(2))).toThrow('Parameter: must be made of a leaf, got a computed tensor');
      expect(() => new Parameter(zeros([1], { dtype: 'int64' }))).toThrow(DtypeError);
    });
  });
});
