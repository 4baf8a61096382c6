import { describe, expect, it } from 'vitest';
import { generator, scope, zeros } from '../index.js';
import { type ForwardContext, Linear, Sequential, captureOutputs, relu } from './index.js';

const ctx: ForwardContext = { train: false, rng: generator(0), computeDtype: 'float32' };
const [first, last] = [new Linear(3, 4, generator(1)), new Linear(4, 2, generator(2))];
const net = new Sequential(first, relu, last);

describe('captureOutputs', () => {
  it('gives the result and what the modules returned, call by call, and changes nothing', () => {
    scope(() => {
      const x = zeros([2, 3]);
      const plain = net.forward(x, ctx).toArray();
      const { result, outputs } = captureOutputs({ first, net }, () => [net.forward(x, ctx), first.forward(x, ctx)]);
      expect(result[0]?.toArray()).toEqual(plain);
      expect(outputs.first.map(({ shape }) => shape)).toEqual([
        [2, 4],
        [2, 4],
      ]);
      expect(outputs.first[1]).toBe(result[1]);
      expect(outputs.net[0]).toBe(result[0]);
      expect(Object.hasOwn(first, 'forward')).toBe(false);
      expect([...net.stateDict().keys()]).toEqual(['0.weight', '0.bias', '2.weight', '2.bias']);
    });
  });

  it('may be nested, and ends when the function throws', () => {
    scope(() => {
      const x = zeros([1, 3]);
      const outer = captureOutputs({ first }, () => {
        expect(() =>
          captureOutputs({ first, again: first }, () => {
            first.forward(x, ctx);
            throw new Error('stop');
          }),
        ).toThrow('stop');
        const inner = captureOutputs({ again: first }, () => first.forward(x, ctx));
        first.forward(x, ctx);
        expect(inner.outputs.again).toHaveLength(1);
      });
      expect(outer.outputs.first).toHaveLength(3);
      expect(Object.hasOwn(first, 'forward')).toBe(false);
    });
  });
});
