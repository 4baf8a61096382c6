import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type DType, type Tensor, arange, memory, noGrad, ones, ops, scope, tensor, zeros } from './index.js';
import { loadSafetensors } from './io/index.js';
import { fixturePath } from './testing/fixture.case.js';

interface Case {
  readonly dtype: DType;
  readonly requiresGrad: boolean;
  readonly text: string;
}

const { tensors, metadata } = loadSafetensors(fixturePath('tensorText'));
const cases = JSON.parse(metadata['cases'] ?? '') as readonly Case[];

describe('toString equals repr of PyTorch', () => {
  it('the fixture has one tensor a case', () => {
    expect(tensors.size).toBe(cases.length);
    expect(cases.length).toBeGreaterThan(300);
  });

  it.each(cases.map((item, number) => ({ ...item, number })))(
    '$number: $dtype',
    ({ dtype, requiresGrad, text, number }) => {
      scope(() => {
        const stored = tensors.get(String(number)) ?? zeros([0]);
        const real = dtype.startsWith('complex') ? stored.viewAsComplex() : stored;
        expect(real.dtype).toBe(dtype);
        expect(String(requiresGrad ? real.detach().requiresGrad_() : real)).toBe(text);
      });
    },
  );

  // Printed by PyTorch 2.15.
  it.each<[string, () => Tensor, string]>([
    [
      'a view in another order',
      () => arange(6).reshape([2, 3]).t(),
      'tensor([[0, 3],\n        [1, 4],\n        [2, 5]])',
    ],
    ['a product', () => leaf().mul(2), 'tensor([2., 4.], grad_fn=<MulBackward0>)'],
    ['a view', () => leaf().mul(2).at(0), 'tensor(2., grad_fn=<SelectBackward0>)'],
    ['what was changed in place', () => changed(), 'tensor([9., 4.], grad_fn=<CopySlices>)'],
    ['a conjugate', () => ops.aten.conj(tensor([{ re: 1, im: 2 }])), 'tensor([1.-2.j])'],
  ])('%s', (_, make, text) => {
    expect(String(scope(make))).toBe(text);
  });
});

const leaf = () => tensor([1, 2], { requiresGrad: true });
const changed = () => {
  const x = leaf().mul(2);
  return x.set(0, 9);
};

describe('tensors in texts', () => {
  it('a large tensor is read at its edges only, and leaves nothing behind', () => {
    const large = ones([3000, 3000]);
    const { liveTensors } = memory.stats();
    memory.resetPeak();
    const before = memory.stats();
    expect(String(large)).toMatch(/^tensor\(\[\[1\., 1\., 1\.,  \.\.\., 1\., 1\., 1\.\],\n/);
    expect(memory.stats().liveTensors).toBe(liveTensors);
    expect(memory.stats().peakBytes - before.liveBytes).toBeLessThan(1 << 20);
    large.dispose();
  });

  it('writing records nothing', () => {
    const x = tensor(
      Array.from({ length: 2000 }, (_, i) => i),
      { requiresGrad: true },
    );
    expect(String(x)).toMatch(/requires_grad=True\)$/);
    expect(noGrad(() => String(x))).toBe(String(x));
  });

  it('console.log shows the elements, and inside of other objects dtype and shape', () => {
    const x = tensor([[1, 2.5]]);
    expect(inspect(x)).toBe('tensor([[1.0000, 2.5000]])');
    expect(inspect({ x, list: [x.to('int64')] })).toBe('{ x: Tensor(float32 [1, 2]), list: [ Tensor(int64 [1, 2]) ] }');
  });

  it('a disposed tensor says so', () => {
    const x = zeros([2]);
    x.dispose();
    expect([String(x), inspect(x), inspect([x])]).toEqual([
      'Tensor(disposed)',
      'Tensor(disposed)',
      '[ Tensor(disposed) ]',
    ]);
  });
});
