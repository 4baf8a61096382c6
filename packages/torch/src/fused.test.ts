// The fused loops against their formulas written with operators; PyTorch's own optimizers are compared in optim.

import { describe, expect, it } from 'vitest';
import { DtypeError, ShapeError, type Tensor, fused, generator, memory, randn, scope, tensor, zeros } from './index.js';

const shapes = [[3, 5], [7], []];
const draw = (seed: number) => shapes.map((shape, k) => randn(shape, { generator: generator(10 * seed + k) }));
const alike = (a: readonly Tensor[], b: readonly Tensor[]) =>
  a.every((entry, k) => entry.allclose(b[k] ?? zeros([1]), 1e-5, 1e-6));

describe('adamwStep', () => {
  const options = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-6, weightDecay: 0.3 };

  it('follows the formula over steps', () => {
    const params = draw(1);
    const steps = shapes.map(() => zeros([]));
    const [expAvgs, expAvgSqs] = [draw(1).map((p) => p.zerosLike()), draw(1).map((p) => p.zerosLike())];
    let expected = params.map((p) => p.clone());
    let [m, v] = [expAvgs.map((p) => p.clone()), expAvgSqs.map((p) => p.clone())];
    for (let t = 1; t <= 3; t++) {
      const grads = draw(t + 1);
      fused.adamwStep(params, grads, expAvgs, expAvgSqs, steps, options);
      m = m.map((entry, k) => entry.mul(0.9).add(grads[k]?.mul(0.1) ?? 0));
      v = v.map((entry, k) => entry.mul(0.99).add(grads[k]?.square().mul(0.01) ?? 0));
      expected = expected.map((p, k) => {
        const denominator =
          v[k]
            ?.div(1 - 0.99 ** t)
            .sqrt()
            .add(1e-6) ?? p;
        const update = m[k]?.div(1 - 0.9 ** t).div(denominator) ?? p;
        return p.sub(update.add(p.mul(0.3)).mul(0.1));
      });
    }
    expect(alike(params, expected)).toBe(true);
    expect(steps.map((step) => step.item())).toEqual([3, 3, 3]);
  });

  it('changes nothing where foundInf is 1', () => {
    const [params, zerosOf] = [draw(1), () => shapes.map((shape) => zeros(shape))];
    const before = params.map((p) => p.clone());
    const steps = shapes.map(() => tensor(4));
    const moments = zerosOf();
    fused.adamwStep(params, draw(2), moments, zerosOf(), steps, options, tensor(1));
    expect(alike(params, before)).toBe(true);
    expect(steps.map((step) => step.item())).toEqual([4, 4, 4]);
    expect(fused.gradNorm(moments).item()).toBe(0);
    fused.adamwStep(params, draw(2), zerosOf(), zerosOf(), steps, options, tensor(0));
    expect(alike(params, before)).toBe(false);
  });

  it('refuses lists that are not alike', () => {
    const [p, g] = [[zeros([2])], [zeros([3])]];
    expect(() => fused.adamwStep(p, g, p, p, [zeros([])], options)).toThrow(ShapeError);
    expect(() => fused.adamwStep(p, [], p, p, [zeros([])], options)).toThrow(
      /every list must have one tensor a parameter, got 1 and 0/,
    );
    expect(() => fused.adamwStep(p, [zeros([2], { dtype: 'float64' })], p, p, [zeros([])], options)).toThrow(
      DtypeError,
    );
    expect(() => fused.adamwStep(p, p, p, p, [zeros([2])], options)).toThrow(ShapeError);
    fused.adamwStep([], [], [], [], [], options);
  });
});

describe('sgdStep and larsStep', () => {
  it('SGD with momentum follows the formula', () => {
    const params = draw(1);
    const buffers = shapes.map((shape) => zeros(shape));
    let expected = params.map((p) => p.clone());
    let m: Tensor[] = [];
    for (let t = 0; t < 3; t++) {
      const grads = draw(t + 2);
      fused.sgdStep(params, grads, buffers, { lr: 0.1, momentum: 0.9, weightDecay: 0.2, isFirstStep: t === 0 });
      const decayed = expected.map((p, k) => p.mul(0.2).add(grads[k] ?? 0));
      m = decayed.map((g, k) => (t === 0 ? g : (m[k]?.mul(0.9).add(g) ?? g)));
      expected = expected.map((p, k) => p.sub(m[k]?.mul(0.1) ?? 0));
    }
    expect(alike(params, expected)).toBe(true);
  });

  it('SGD needs no buffers without momentum', () => {
    const params = [tensor([1, 2])];
    fused.sgdStep(params, [tensor([1, 1])], [], { lr: 0.5 });
    expect(params[0]?.toArray()).toEqual([0.5, 1.5]);
  });

  it('LARS scales by the trust ratio where it is adapted only', () => {
    const params = [tensor([3, 4]), tensor([3, 4])];
    const buffers = [zeros([2]), zeros([2])];
    const grads = [tensor([0, 2]), tensor([0, 2])];
    fused.larsStep(params, grads, buffers, {
      lr: 1,
      momentum: 0.9,
      weightDecay: 0,
      trustCoefficient: 0.1,
      isAdapted: [true, false],
    });
    // |p| / |g| = 5 / 2, so the first update is 0.1 * 2.5 * [0, 2]
    expect(params.map((p) => p.toArray())).toEqual([
      [3, 3.5],
      [3, 2],
    ]);
  });
});

describe('larsStep', () => {
  const options = { lr: 1, momentum: 0.9, weightDecay: 0.5, trustCoefficient: 0.1, isAdapted: [true] };

  it('a parameter or gradient of zeros takes the gradient as it is', () => {
    const [params, buffers] = [[zeros([2])], [zeros([2])]];
    fused.larsStep(params, [tensor([1, 2])], buffers, options);
    expect(params[0]?.toArray()).toEqual([-1, -2]);
    fused.larsStep([tensor([1, 2])], [tensor([-0.5, -1])], [zeros([2])], options);
  });

  it('changes nothing where foundInf is 1, not even with gradients that are not finite', () => {
    const [params, buffers] = [[tensor([3, 4])], [tensor([1, 1])]];
    fused.larsStep(params, [tensor([Number.NaN, 1])], buffers, options, tensor(1));
    expect([params[0]?.toArray(), buffers[0]?.toArray()]).toEqual([
      [3, 4],
      [1, 1],
    ]);
    fused.larsStep(params, [tensor([1, 1])], buffers, options, tensor(0));
    expect(params[0]?.toArray()).not.toEqual([3, 4]);
  });

  it('refuses lists that are not alike, and leaves nothing behind', () => {
    const p = [zeros([2])];
    expect(() => fused.larsStep(p, [zeros([1])], p, options)).toThrow(
      'gradient 0 must be [2] as its parameter, got [1]',
    );
    expect(() => fused.larsStep(p, [], p, options)).toThrow('one entry a parameter, got 1, 0 and 1');
    expect(() => fused.larsStep(p, [zeros([2])], [zeros([3])], options)).toThrow(ShapeError);
    const before = memory.stats().liveTensors;
    fused.larsStep([], [], [], { ...options, isAdapted: [] });
    expect(memory.stats().liveTensors).toBe(before);
  });
});

describe('emaUpdate, norms and flags', () => {
  it('the average moves by 1 - momentum', () => {
    const averaged = [tensor([1, 2])];
    fused.emaUpdate(averaged, [tensor([5, 2])], 0.75);
    expect(averaged[0]?.toArray()).toEqual([2, 2]);
  });

  it('gradNorm is the norm of all elements in float32, also of bfloat16', () => {
    expect(fused.gradNorm([tensor([3]), tensor([[4]], { dtype: 'bfloat16' })]).item()).toBe(5);
    expect(fused.gradNorm([]).item()).toBe(0);
    expect(fused.gradNorm([tensor([1])]).shape).toEqual([]);
  });

  it('clipGradNorm scales down only, and returns the norm before', () => {
    const params = [
      tensor([1, 1], { requiresGrad: true }),
      tensor([1], { requiresGrad: true }),
      tensor([1], { requiresGrad: true }),
    ];
    const [first, second, third] = params as [Tensor, Tensor, Tensor];
    first.grad = tensor([3, 0]);
    second.grad = tensor([4]);
    expect(fused.clipGradNorm(params, 10).item()).toBe(5);
    expect(first.grad.toArray()).toEqual([3, 0]);
    expect(fused.clipGradNorm(params, 1).item()).toBe(5);
    expect(fused.gradNorm([first.grad, second.grad]).item()).toBeCloseTo(1, 5);
    expect(third.grad).toBeUndefined();
    fused.zeroGrad(params);
    expect([first.grad, second.grad]).toEqual([undefined, undefined]);
  });

  it('allFinite sees one bad element, and is not misled by large ones', () => {
    scope(() => {
      const large = tensor([3e38, -3e38]);
      expect(fused.allFinite([large, large]).item()).toBe(1);
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        expect(fused.allFinite([large, tensor([0, bad, 1])]).item()).toBe(0);
      }
      expect(fused.allFinite([]).item()).toBe(1);
    });
  });
});
