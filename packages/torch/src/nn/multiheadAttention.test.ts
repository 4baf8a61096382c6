import { describe, expect, it } from 'vitest';
import { type Tensor, generator, ones, scope, zeros } from '../index.js';
import { expectClose, expectNoLeak, gradientCheck } from '../testing/index.js';
import { type AttentionInputs, MultiheadAttention } from './index.js';
import { computeDtypes, contextOf, expectParity, fixture, inputsOf, loadWeights } from './parity.case.js';

const rng = generator(0);
const make = (): MultiheadAttention => new MultiheadAttention({ dim: 12, numHeads: 3 }, rng);
const mask = (name: string): Tensor => fixture.get(`multihead/${name}`);

/** Which masks go with a case. */
const cases: Readonly<Record<string, () => AttentionInputs>> = {
  Self: () => ({}),
  Memory: () => ({}),
  Cross: () => ({}),
  Mask: () => ({ attnMask: mask('mask') }),
  Padding: () => ({ keyPaddingMask: mask('padding') }),
  Both: () => ({ attnMask: mask('mask'), keyPaddingMask: mask('padding') }),
  Added: () => ({ attnMask: mask('added') }),
  AddedPadding: () => ({ attnMask: mask('added'), keyPaddingMask: mask('padding') }),
  Plain: () => ({}),
};

describe.each(Object.entries(cases))('MultiheadAttention, %s', (suffix, masks) => {
  const name = `multihead${suffix}`;

  it.each(computeDtypes)('equals PyTorch forward and backward in %s', (dtype) => {
    scope(() => {
      const layer = suffix === 'Plain' ? new MultiheadAttention({ dim: 6, numHeads: 2, bias: false }, rng) : make();
      loadWeights(layer, name);
      const inputs = inputsOf(name);
      const [query = zeros([]), key, value] = inputs;
      const given = { ...(key && { key }), ...(value && { value }), ...masks() };
      const y = layer.forward(query, contextOf(dtype), given);
      expect(y.dtype).toBe(dtype);
      expectParity(name, layer, inputs, y, dtype);
    });
  });
});

describe('MultiheadAttention with dropout of its weights', () => {
  const dropping = (dropout = 0.25): MultiheadAttention =>
    new MultiheadAttention({ dim: 12, numHeads: 3, dropout }, rng);

  it.each(computeDtypes)('drops what PyTorch drops in training, in %s', (dtype) => {
    scope(() => {
      const layer = dropping();
      loadWeights(layer, 'multiheadDropout');
      const inputs = inputsOf('multiheadDropout');
      const [query = zeros([]), key = query] = inputs;
      const y = layer.forward(query, contextOf(dtype, true), { key, attnMask: mask('mask') });
      expectParity('multiheadDropout', layer, inputs, y, dtype);
    });
  });

  it('draws nothing out of training, and refuses a rate outside [0, 1)', () => {
    scope(() => {
      const [query = zeros([])] = inputsOf('multiheadSelf');
      const [layer, plain] = [dropping(), make()];
      for (const each of [layer, plain]) loadWeights(each, 'multiheadSelf');
      expectClose(layer.forward(query, contextOf()), plain.forward(query, contextOf()), { rtol: 0, atol: 0 });
      expect(() => dropping(1).forward(query, contextOf('float32', true))).toThrow(RangeError);
    });
  });
});

describe('MultiheadAttention', () => {
  it('has the gradient of its differences', () => {
    scope(() => {
      const layer = make();
      loadWeights(layer, 'multiheadBoth');
      const [query = zeros([]), key = query, value = key] = inputsOf('multiheadBoth');
      const inputs = { key, value, attnMask: mask('mask'), keyPaddingMask: mask('padding') };
      gradientCheck(() => layer.forward(query, contextOf(), inputs), [query, key, value, ...layer.parameters()], {
        maxElements: 6,
      });
    });
  });

  it.each(computeDtypes)('a token that may look nowhere gets the bias of the output map in %s', (dtype) => {
    scope(() => {
      const layer = make();
      const x = fixture.get('attention/x');
      layer.outProj.bias?.detach().fill_(0.25);
      const nowhere = zeros([5, 5]).gt(0);
      nowhere.select(0, 3).fill_(1);
      const y = layer.forward(x, contextOf(dtype), { attnMask: nowhere });
      expectClose(y.select(1, 3).to('float32'), ones([2, 12]).mul(0.25));
      y.sum().backward();
      expect(layer.inProjWeight.grad?.isfinite().all().item()).toBe(1);
    });
  });

  it('tokens behind the padding mask change nothing', () => {
    scope(() => {
      const layer = make();
      const [query = zeros([]), key = query] = inputsOf('multiheadPadding');
      const keyPaddingMask = mask('padding');
      const spoiled = key.add(keyPaddingMask.unsqueeze(-1).mul(100));
      expectClose(
        layer.forward(query, contextOf(), { key: spoiled, keyPaddingMask }),
        layer.forward(query, contextOf(), { key, keyPaddingMask }),
      );
    });
  });

  it('refuses a width that the heads do not share, and inputs that do not fit', () => {
    expect(() => new MultiheadAttention({ dim: 10, numHeads: 3 }, rng)).toThrow(
      'MultiheadAttention: dim must be a multiple of numHeads, got 10 and 3; change one of them',
    );
    scope(() => {
      expect(() => make().forward(zeros([1, 2, 11]), contextOf())).toThrow(/linear/);
    });
  });

  it('leaves nothing behind', () => {
    const layer = make();
    const x = fixture.get('attention/x');
    expectNoLeak(() => layer.forward(x, contextOf(), { attnMask: zeros([5, 5]).gt(0) }));
  });
});
