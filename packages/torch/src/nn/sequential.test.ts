import { describe, expect, it } from 'vitest';
import { generator, scope, tensor } from '../index.js';
import { type ForwardContext, Linear, Module, Sequential, dropout, relu } from './index.js';

const ctx: ForwardContext = { train: true, rng: generator(3), computeDtype: 'float32' };

describe('Sequential', () => {
  it('runs its steps in turn, functions with the context', () => {
    scope(() => {
      const x = tensor([[-1, 2, 3]]);
      const net = new Sequential(relu, (y, { train }) => y.mul(train ? 2 : 1), new Sequential((y) => y.add(1)));
      expect(net.forward(x, ctx).toArray()).toEqual([[1, 5, 7]]);
      expect(net.forward(x, { ...ctx, train: false }).toArray()).toEqual([[1, 3, 4]]);
      expect(new Sequential().forward(x, ctx)).toBe(x);
    });
  });

  it('names by position, also inside other modules', () => {
    class Net extends Module {
      readonly stem = new Sequential(
        new Linear(2, 3, generator(0)),
        relu,
        (x, context) => dropout(x, 0.1, context),
        new Linear(3, 1, generator(1), { bias: false }),
      );
    }
    const net = new Net();
    expect([...net.stateDict().keys()]).toEqual(['stem.0.weight', 'stem.0.bias', 'stem.3.weight']);
    expect(net.namedModules().map(([name]) => name)).toEqual(['', 'stem', 'stem.0', 'stem.3']);
    expect(net.numParameters()).toBe(12);
  });
});
