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

  it('an async function is refused, and its rejection later does not end the process', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    let late: unknown;
    expect(() =>
      scope(async () => {
        const x = zeros([1]);
        await Promise.resolve();
        try {
          x.add(1);
        } catch (error) {
          late = error;
          throw error;
        }
      }),
    ).toThrow(/^scope: the function must not be async, got a promise; await outside of scope$/);
    expect(() => scope(() => Promise.reject(new Error('mine')))).toThrow(TorchError);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(late).toBeInstanceOf(TensorDisposedError);
    expect(unhandled).toEqual([]);
  });

  it('a generator is refused, since it would run after the end; scopes inside of one are fine', () => {
    const made: Tensor[] = [];
    function* rows() {
      for (let i = 0; i < 3; i++) {
        yield scope(() => {
          made.push(zeros([2]));
          return zeros([2]).add(i);
        });
      }
    }
    expect(() => scope(rows)).toThrow(/^scope: the function must not be a generator/);
    expect(() => noGrad(rows)).toThrow(TorchError);
    expect(() =>
      scope(async function* () {
        yield await Promise.resolve(1);
      }),
    ).toThrow(/generator/);
    scope(() => {
      const results = [...rows()];
      expect(results.map((row) => row.toArray())).toEqual([
        [0, 0],
        [1, 1],
        [2, 2],
      ]);
      expect(made.every((tensor) => tensor.isDisposed)).toBe(true);
    });
  });

  it('left from the middle of a loop, by return and by throw, restores the scope around', () => {
    scope(() => {
      const outer = zeros([1]);
      for (let i = 0; i < 3; i++) {
        try {
          scope(() => {
            zeros([1]);
            if (i === 1) throw new Error('mine');
            return i;
          });
        } catch {
          continue;
        }
      }
      const after = zeros([1]);
      expect([outer.isDisposed, after.isDisposed]).toEqual([false, false]);
      expect(scope(() => after.add(outer)).isDisposed).toBe(false);
    });
  });

  it('Symbol.dispose ends a tensor, a second time too', () => {
    const x = zeros([1]);
    x[Symbol.dispose]();
    x[Symbol.dispose]();
    x.dispose();
    expect(x.isDisposed).toBe(true);
  });

  it('every use of a disposed tensor is an error, and its views live on', () => {
    const x = tensor([[1, 2]], { requiresGrad: true });
    const view = x.detach().at(0);
    const product = x.mul(3);
    x.dispose();
    const uses: readonly (() => unknown)[] = [
      () => x.strides,
      () => x.isContiguous,
      () => x.requiresGrad,
      () => x.isLeaf,
      () => x.grad,
      () => x.item(),
      () => x.toArray(),
      () => x.toBytes(),
      () => x.at(0),
      () => x.set(0, 1),
      () => x.to('float64'),
      () => [...x],
      () => JSON.stringify(x),
      () => x.requiresGrad_(),
      () => x.backward(),
      () => product.backward(x),
    ];
    for (const use of uses) expect(use).toThrow(TensorDisposedError);
    expect(view.toArray()).toEqual([1, 2]);
    expect(product.toArray()).toEqual([[3, 6]]);
  });

  it('a million scopes leave nothing, neither here nor in V8, and take less than 10 microseconds each', () => {
    const x = zeros([4]);
    const run = (count: number): void => {
      for (let i = 0; i < count; i++) scope(() => (i % 10 === 0 ? x.neg() : undefined))?.dispose();
    };
    run(200_000); // lets V8's heap grow to what it likes
    const before = memory.stats();
    const residentBefore = process.memoryUsage.rss();
    const startCpu = process.cpuUsage();
    run(1_000_000);
    const { user, system } = process.cpuUsage(startCpu);
    const after = memory.stats();
    expect([after.liveTensors, after.liveBytes]).toEqual([before.liveTensors, before.liveBytes]);
    expect(process.memoryUsage.rss() - residentBefore).toBeLessThan(100e6); // 100 bytes a scope
    expect((user + system) / 1_000_000).toBeLessThan(10);
  });

  it('scopes of a generator that is left in the middle have ended, and the scope around is the current one', () => {
    const made: Tensor[] = [];
    function* rows() {
      for (;;) {
        scope(() => made.push(zeros([2])));
        yield scope(() => zeros([2]));
      }
    }
    const outer = scope(() => {
      for (const row of rows()) {
        row.dispose();
        if (made.length === 2) break;
      }
      const generator = rows();
      generator.next();
      expect(() => generator.throw(new Error('mine'))).toThrow('mine');
      return [zeros([1])];
    });
    expect(made.map((row) => row.isDisposed)).toEqual([true, true, true]);
    expect(outer[0]?.isDisposed).toBe(false);
  });

  it('a tensor disposed twice does not end the one that has its place now', () => {
    const first = zeros([1]);
    first.dispose();
    const second = tensor([7]); // has the slot of `first`, with another generation
    first.dispose();
    scope(() => {
      const third = zeros([1]);
      third.dispose();
      third.dispose();
    });
    expect(second.item()).toBe(7);
  });

  it('a thousand scopes inside of one another end in order', () => {
    const before = memory.stats().liveTensors;
    const deep = (depth: number): Tensor => scope(() => (depth === 0 ? zeros([1]) : deep(depth - 1).add(1)));
    const result = deep(1000);
    expect(result.item()).toBe(1000);
    expect(memory.stats().liveTensors).toBe(before + 1);
    result.dispose();
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
