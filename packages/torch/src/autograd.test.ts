import { describe, expect, it } from 'vitest';
import {
  DtypeError,
  ShapeError,
  type Tensor,
  TorchError,
  enableGrad,
  generator,
  grad,
  inferenceMode,
  isGradEnabled,
  noGrad,
  ops,
  randn,
  tensor,
} from './index.js';
import { gradientCheck } from './testing/index.js';

describe('backward', () => {
  it('gives the derivative, and accumulates', () => {
    const x = tensor([1, -2, 3], { requiresGrad: true });
    x.pow(3).sum().backward();
    expect(x.grad?.toArray()).toEqual([3, 12, 27]);
    x.mul(2).sum().backward();
    expect(x.grad?.toArray()).toEqual([5, 14, 29]);
    x.grad = undefined;
    expect(x.grad).toBeUndefined();
  });

  it('takes the vector of a vector-Jacobian product', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    x.square().backward(tensor([1, 10]));
    expect(x.grad?.toArray()).toEqual([2, 40]);
    expect(() => x.square().backward(tensor([1, 2, 3]))).toThrow(TorchError);
    expect(() => x.square().backward()).toThrow(/^backward: grad can be implicitly created only for scalar outputs/);
  });

  it('frees the graph unless told to keep it', () => {
    const x = tensor([2], { requiresGrad: true });
    const y = x.square().sum();
    y.backward(undefined, { retainGraph: true });
    y.backward();
    expect(x.grad?.item()).toBe(8);
    expect(() => y.backward()).toThrow(/second time/);
  });

  it('createGraph gives second derivatives', () => {
    const x = tensor([3], { requiresGrad: true });
    const [first] = grad([x.pow(3).sum()], [x], { createGraph: true });
    const [second] = grad([first?.sum() ?? x], [x]);
    expect(first?.item()).toBe(27);
    expect(second?.item()).toBe(18);
    expect(x.grad).toBeUndefined();
  });

  it('grad names an unused input, or gives undefined for it', () => {
    const [x, unused] = [tensor([1], { requiresGrad: true }), tensor([1], { requiresGrad: true })];
    expect(() => grad([x.mul(2).sum()], [unused])).toThrow(/^grad: .*not .*used/);
    expect(grad([x.mul(2).sum()], [unused], { allowUnused: true })).toEqual([undefined]);
  });
});

describe('second derivatives', () => {
  const drawn = (shape: readonly number[], seed: number) =>
    randn(shape, { generator: generator(seed), dtype: 'float64' }).requiresGrad_();

  it.each<[string, (x: Tensor, y: Tensor) => Tensor, readonly number[], readonly number[]]>([
    ['powers and products', (x, y) => x.pow(3).mul(y.square()), [2, 3], [2, 3]],
    ['matmul', (x, y) => x.matmul(y).square(), [2, 3], [3, 2]],
    ['softmax', (x, y) => x.softmax(-1).mul(y), [2, 4], [2, 4]],
    ['gelu and sigmoid', (x, y) => x.gelu().mul(y.sigmoid()), [5], [5]],
    ['layerNorm', (x, y) => x.layerNorm([4]).mul(y), [3, 4], [3, 4]],
    ['conv2d', (x, y) => x.conv2d(y).square(), [1, 2, 4, 4], [2, 2, 3, 3]],
    ['indexing', (x, y) => x.at([0, 2, 2]).pow(3).mul(y.at(':', null)), [3], [3]],
    ['a raw operator', (x, y) => ops.aten.addcmul(x.exp(), x, y, { value: 2 }), [4], [4]],
  ])('of %s equal differences of the first', (_, fn, shapeX, shapeY) => {
    gradientCheck(
      (x, y) =>
        enableGrad(() => {
          const inputs = [x, y];
          const firsts = grad([fn(x, y).sin().sum()], inputs, { createGraph: true });
          return firsts.map((first, k) => (first ?? x).mul(k + 1).sum()).reduce((sum, term) => sum.add(term));
        }),
      [drawn(shapeX, 1), drawn(shapeY, 2)],
    );
  });

  it('go on to the third, and stop without createGraph', () => {
    const x = tensor([2], { requiresGrad: true, dtype: 'float64' });
    const derivative = (y: Tensor | undefined, createGraph = true) => grad([y ?? x], [x], { createGraph })[0];
    const second = derivative(derivative(x.pow(5)));
    expect([second?.item(), derivative(second)?.item()]).toEqual([160, 240]);
    expect(() => derivative(derivative(x.pow(5), false))).toThrow(/does not require grad/);
  });
});

describe('requiresGrad', () => {
  it('belongs to floating point leaves', () => {
    const x = tensor([1], { requiresGrad: true });
    expect([x.requiresGrad, x.isLeaf, x.mul(2).isLeaf, x.detach().requiresGrad]).toEqual([true, true, false, false]);
    expect(() => tensor([1], { dtype: 'int64' }).requiresGrad_()).toThrow(DtypeError);
    expect(() => x.mul(2).requiresGrad_(false)).toThrow(/use detach\(\)/);
    expect(x.requiresGrad_(false).requiresGrad).toBe(false);
  });

  it('a gradient that is not like its tensor is refused', () => {
    const x = tensor([1, 2]);
    expect(() => (x.grad = tensor([1]))).toThrow(ShapeError);
    x.grad = tensor([3, 4]);
    expect(x.grad.toArray()).toEqual([3, 4]);
  });
});

describe('noGrad', () => {
  it('holds inside only, also after a throw, and nests', () => {
    const x = tensor([1], { requiresGrad: true });
    noGrad(() => {
      expect(x.mul(2).requiresGrad).toBe(false);
      enableGrad(() => expect(x.mul(2).requiresGrad).toBe(true));
      expect(isGradEnabled()).toBe(false);
    });
    expect(() =>
      noGrad(() => {
        throw new Error('mine');
      }),
    ).toThrow('mine');
    expect(isGradEnabled()).toBe(true);
  });
});

describe('inferenceMode', () => {
  it('records nothing, nests, and ends also with a throw', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = inferenceMode(() => {
      expect(isGradEnabled()).toBe(false);
      inferenceMode(() => expect(x.mul(2).requiresGrad).toBe(false));
      expect(() =>
        inferenceMode(() => {
          throw new Error('mine');
        }),
      ).toThrow('mine');
      expect(enableGrad(() => x.mul(2)).requiresGrad).toBe(false);
      return x.mul(3);
    });
    expect(isGradEnabled()).toBe(true);
    expect(y.toArray()).toEqual([3, 6]);
    expect(x.mul(2).requiresGrad).toBe(true);
  });

  it('what is made inside takes no part in gradients, but works', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = inferenceMode(() => x.mul(3));
    expect(y.add(1).toArray()).toEqual([4, 7]);
    expect(() => x.mul(y)).toThrow(/[Ii]nference tensors cannot be saved for backward/);
    expect(x.mul(y.clone()).requiresGrad).toBe(true);
  });
});
