import { describe, expect, it } from 'vitest';
import { type Tensor, TensorDisposedError, TorchError, keep, memory, noGrad, scope, tensor, zeros } from './index.js';

describe('scope', () => {
  it('disposes what was made inside, except the result', () => {
    const before = memory.stats().liveTensors;
    let inner: Tensor | undefined;
    const result = scope(() => {
      inner = zeros([2]);
      return inner.add(1);
    });
    expect(inner?.isDisposed).toBe(true);
    expect(result.toArray()).toEqual([1, 1]);
    expect(memory.stats().liveTensors).toBe(before + 1);
    result.dispose();
  });

  it('keeps tensors in arrays, objects and Maps of the result, in cycles too', () => {
    const result = scope(() => {
      const map = new Map([['a', zeros([1])]]);
      const tree: { list: Tensor[]; map: Map<string, Tensor>; self?: unknown } = {
        list: [zeros([2]), zeros([3])],
        map,
      };
      tree.self = tree;
      return tree;
    });
    expect([...result.list, result.map.get('a')].map((entry) => entry?.isDisposed)).toEqual([false, false, false]);
  });

  it('disposes on throw, and passes the error on', () => {
    const before = memory.stats().liveTensors;
    const fail = () =>
      scope(() => {
        zeros([2]).add(1);
        throw new RangeError('mine');
      });
    expect(fail).toThrow(new RangeError('mine'));
    expect(memory.stats().liveTensors).toBe(before);
  });

  it('nests: a result belongs to the scope around', () => {
    let outerResult: Tensor | undefined;
    scope(() => {
      const fromInner = scope(() => zeros([2]).add(1));
      expect(fromInner.isDisposed).toBe(false);
      outerResult = fromInner;
    });
    expect(outerResult?.isDisposed).toBe(true);
  });

  it('returning a tensor of the scope around does not end or free it', () => {
    scope(() => {
      const outer = zeros([2]);
      expect(scope(() => outer)).toBe(outer);
      expect(outer.isDisposed).toBe(false);
    });
  });

  it('keep takes a tensor out of all scopes', () => {
    let kept: Tensor | undefined;
    scope(() => {
      scope(() => {
        kept = keep(tensor([7]));
      });
      expect(kept?.item()).toBe(7);
    });
    expect(kept?.item()).toBe(7);
    kept?.dispose();
    expect(() => kept?.add(1)).toThrow(TensorDisposedError);
  });

  it('is safe with tensors disposed early, and with using a freed slot again', () => {
    const survivors = scope(() => {
      const early = zeros([2]);
      early.dispose();
      const reused = zeros([2]); // may have the slot of `early`, with another generation
      return [reused];
    });
    expect(survivors[0]?.isDisposed).toBe(false);
  });

  it('refuses a promise, and disposes all the same', () => {
    let inside: Tensor | undefined;
    expect(() =>
      scope(() => {
        inside = zeros([1]);
        return Promise.resolve();
      }),
    ).toThrow(/^scope: the function must not be async/);
    expect(inside?.isDisposed).toBe(true);
    expect(() => noGrad(() => Promise.resolve())).toThrow(TorchError);
  });

  it('Symbol.dispose ends a tensor', () => {
    const x = zeros([1]);
    x[Symbol.dispose]();
    expect(x.isDisposed).toBe(true);
  });

  it('tensors in no scope are freed by the collector once the program yields', async () => {
    const tensorBytes = 8 << 20;
    const before = memory.stats().liveBytes;
    memory.resetPeak();
    for (let i = 0; i < 100; i++) {
      zeros([tensorBytes / 4]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(memory.stats().peakBytes - before).toBeLessThan(50 * tensorBytes);
  });
});
