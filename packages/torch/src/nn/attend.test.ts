import { describe, expect, it } from 'vitest';
import { type Tensor, generator, grad, ones, randn, scaledDotProductAttention, scope } from '../index.js';
import { expectClose, gradientCheck } from '../testing/index.js';
import { attend, attendByProducts } from './attend.js';

const inputs = (dtype: 'float32' | 'float64' | 'bfloat16', shape = [2, 3, 5, 4]): [Tensor, Tensor, Tensor] => {
  const rng = generator(3);
  const draw = (): Tensor => randn(shape, { generator: rng }).to(dtype);
  return [draw(), draw(), draw()];
};

describe('attend', () => {
  it('both ways give the same values and gradients', () => {
    scope(() => {
      const leaves = inputs('float64').map((x) => x.requiresGrad_()) as [Tensor, Tensor, Tensor];
      const [products, fused] = [attendByProducts(...leaves), scaledDotProductAttention(...leaves)];
      expectClose(products, fused);
      const gradients = [products, fused].map((y) => grad([y.square().sum()], leaves) as Tensor[]);
      gradients[0]?.forEach((gradient, i) => expectClose(gradient, gradients[1]?.[i] ?? Number.NaN));
    });
  });

  it('takes the measured way on the CPU: the fused kernel in float32, products in bfloat16', () => {
    scope(() => {
      const [single, half] = [inputs('float32'), inputs('bfloat16')];
      expect(attend(...single).toBytes()).toEqual(scaledDotProductAttention(...single).toBytes());
      expect(attend(...half).toBytes()).toEqual(attendByProducts(...half).toBytes());
      // The ways round differently, so that the lines above tell them apart.
      expect(attendByProducts(...single).toBytes()).not.toEqual(attend(...single).toBytes());
      expect(scaledDotProductAttention(...half).toBytes()).not.toEqual(attend(...half).toBytes());
    });
  });

  it('products: has the gradient of its differences', () => {
    scope(() => gradientCheck((q, k, v) => attendByProducts(q, k, v), inputs('float64', [1, 2, 3, 2])));
  });

  it('both ways take masks of each kind and keys of another number, and give zeros where nothing may be looked at', () => {
    scope(() => {
      const rng = generator(4);
      const leaves = [4, 6, 6].map((tokens) =>
        randn([2, 3, tokens, 4], { generator: rng, dtype: 'float64' }).requiresGrad_(),
      ) as [Tensor, Tensor, Tensor];
      const open = randn([2, 1, 4, 6], { generator: rng }).gt(0);
      open.select(2, 1).fill_(false);
      const added = randn([4, 6], { generator: rng, dtype: 'float64' });
      for (const mask of [open, added]) {
        const [products, fused] = [attendByProducts(...leaves, { mask }), scaledDotProductAttention(...leaves, mask)];
        expectClose(products, fused);
        expect(products.select(2, 1).abs().sum().item() === 0).toBe(mask === open);
        const gradients = [products, fused].map((y) => grad([y.square().sum()], leaves) as Tensor[]);
        gradients[0]?.forEach((gradient, i) => expectClose(gradient, gradients[1]?.[i] ?? Number.NaN));
      }
    });
  });

  it.each([5, 3, 8])(
    'both ways are causal alike with %d keys for 5 tokens: what comes after does not count',
    (numKeys) => {
      scope(() => {
        const rng = generator(5);
        const leaves = [5, numKeys, numKeys].map((tokens) =>
          randn([2, 3, tokens, 4], { generator: rng, dtype: 'float64' }).requiresGrad_(),
        ) as [Tensor, Tensor, Tensor];
        const [q, k, v] = leaves;
        const [products, fused] = [
          attendByProducts(...leaves, { isCausal: true }),
          attend(...leaves, { isCausal: true }),
        ];
        expectClose(products, fused);
        const gradients = [products, fused].map((y) => grad([y.square().sum()], leaves) as Tensor[]);
        gradients[0]?.forEach((gradient, i) => expectClose(gradient, gradients[1]?.[i] ?? Number.NaN));
        // Token 1 by itself, from its two keys.
        expectClose(fused.narrow(2, 1, 1), attend(q.narrow(2, 1, 1), k.narrow(2, 0, 2), v.narrow(2, 0, 2)));
      });
    },
  );

  it('refuses a mask together with isCausal', () => {
    scope(() => {
      const mask = ones([5, 5], { dtype: 'bool' });
      expect(() => attend(...inputs('float32'), { mask, isCausal: true })).toThrow(
        'attend: takes a mask or isCausal, got both',
      );
    });
  });

  it('takes views that are not contiguous', () => {
    scope(() => {
      const [q, k, v] = inputs('bfloat16');
      const swapped = [q, k, v].map((x) => x.transpose(1, 2)) as [Tensor, Tensor, Tensor]; // [B, T, H, E] read as [B, H, T, E]
      const copies = swapped.map((x) => x.contiguous()) as [Tensor, Tensor, Tensor];
      expectClose(attend(...swapped), attend(...copies));
    });
  });

  it('each output is a mean of the values: constant values come out as they are', () => {
    scope(() => {
      for (const dtype of ['float32', 'bfloat16'] as const) {
        const [q, k, v] = inputs(dtype);
        const out = attend(q, k, v.zerosLike().add(0.5));
        expect(out.dtype).toBe(dtype);
        expectClose(out, v.zerosLike().add(0.5));
      }
    });
  });
});
