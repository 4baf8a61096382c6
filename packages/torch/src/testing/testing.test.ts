import { describe, expect, it } from 'vitest';
import { generator, keep, randn, scope, tensor, zeros } from '../index.js';
import { expectClose, expectNoLeak, gradientCheck } from './index.js';

describe('expectClose', () => {
  it('passes within atol + rtol |expected| and no further', () => {
    const expected = tensor([100, 0]);
    expectClose(tensor([101, 0.5]), expected, { rtol: 0.01, atol: 0.5 });
    expect(() => expectClose(tensor([101.6, 0]), expected, { rtol: 0.01, atol: 0.5 })).toThrow(
      /^expectClose: 1 of 2 elements of float32 \[2\] must be within atol 0.5 \+ rtol 0.01 of the expected, got 101\.5\d* for 100 at \[0\]$/,
    );
    expect(() => expectClose(tensor([100, 0.6]), expected, { rtol: 0.01, atol: 0.5 })).toThrow(/at \[1\]/);
  });

  it('takes tolerances by dtype: a bfloat16 rounding is too much for float32', () => {
    expectClose(tensor([1.01], { dtype: 'bfloat16' }), tensor([1], { dtype: 'bfloat16' }));
    expect(() => expectClose(tensor([1.01]), [1])).toThrow(/1 of 1/);
    expect(() => expectClose(tensor([1.1], { dtype: 'bfloat16' }), [1])).toThrow(/1 of 1/);
  });

  it('compares whole numbers exactly, also beyond 2^53', () => {
    const large = tensor(BigInt64Array.of(2n ** 53n));
    expectClose(large, large);
    expect(() => expectClose(large, tensor(BigInt64Array.of(2n ** 53n + 1n)))).toThrow(/got 9007199254740992/);
  });

  it('refuses other shapes, other dtypes, NaN and wrong infinities', () => {
    expect(() => expectClose(zeros([2, 1]), zeros([2]), { what: 'norm' })).toThrow(
      'norm: must be float32 [2], got float32 [2, 1]',
    );
    expect(() => expectClose(zeros([2]), zeros([2], { dtype: 'float64' }))).toThrow(/must be float64 \[2\]/);
    expect(() => expectClose(tensor([Number.NaN]), [Number.NaN])).toThrow(/1 of 1/);
    expect(() => expectClose(tensor([1]), [Number.POSITIVE_INFINITY])).toThrow(/1 of 1/);
    expectClose(tensor([Number.POSITIVE_INFINITY]), [Number.POSITIVE_INFINITY]);
  });
});

describe('gradientCheck', () => {
  const draw = (shape: number[], dtype: 'float32' | 'float64') => randn(shape, { dtype, generator: generator(1) });

  it('passes for a function that autograd knows, in both dtypes', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      gradientCheck((a, b) => a.matmul(b).softmax(-1), [draw([2, 3], dtype), draw([3, 4], dtype)]);
    }
  });

  it('finds a gradient that is one element or one percent off', () => {
    const x = draw([5], 'float64');
    // The value of y with the gradient of y + error.
    const withError = (error: (x: typeof y) => typeof y, y = x.square()) => y.add(error(x)).sub(error(x).detach());
    const first = tensor([1, 0, 0, 0, 0], { dtype: 'float64' });
    expect(() => gradientCheck(() => withError((v) => v.mul(first)), [x])).toThrow(
      /^gradientCheck: input 0 of shape \[5\], element 0: the gradient must be/,
    );
    expect(() => gradientCheck(() => withError((v) => v.square().mul(0.01)), [x])).toThrow(/element 0/);
  });

  it('restores inputs and their flags, also after a failure', () => {
    const x = draw([3], 'float32');
    const before = x.toArray();
    expect(() => gradientCheck((v) => v.mul(v.detach()), [x])).toThrow(/element/);
    expect([x.toArray(), x.requiresGrad, x.grad]).toEqual([before, false, undefined]);
  });

  it('refuses functions of chance and half precision', () => {
    const rng = generator(0);
    expect(() => gradientCheck((v) => v.mul(randn([2], { generator: rng })), [zeros([2]).add(1)])).toThrow(
      /deterministic/,
    );
    expect(() => gradientCheck((v) => v.mul(2), [zeros([2], { dtype: 'bfloat16' })])).toThrow(/got bfloat16/);
  });
});

describe('expectNoLeak', () => {
  it('passes for tensors that scopes end and counts those that stay', () => {
    expectNoLeak(() => zeros([4]).add(1));
    const held = scope(() => ({ list: [zeros([1])] }));
    expect(() =>
      expectNoLeak(() => {
        held.list.push(keep(zeros([256])));
      }),
    ).toThrow(/^expectNoLeak: a run must leave nothing, got 1 tensors and \d{4} bytes$/);
  });
});
