import * as torch from '@halfway/torch';
import { type ForwardContext, Module, Parameter } from '@halfway/torch/nn';
import { gradientCheck } from '@halfway/torch/testing';
import { describe, expect, it } from 'vitest';
import { CrossAttention } from './crossAttention.js';
import { evalContext, relativeError } from './fixture.case.js';

/** Tokens of two images, [2, 5, 8]. */
const tokens = (seed: number): torch.Tensor => torch.randn([2, 5, 8], { generator: torch.generator(seed) });

/** The parameters in f64, where a difference can be told from rounding. */
function widen(module: Module): void {
  for (const [property, value] of Object.entries(module) as [string, unknown][]) {
    if (value instanceof Module) widen(value);
    if (value instanceof Parameter) Object.assign(module, { [property]: new Parameter(value.detach().to('float64')) });
  }
}

describe('cross-attention', () => {
  it("does not ask where the second view's tokens are, but where the first's are", () => {
    torch.scope(() => {
      const fusion = new CrossAttention(8, 2, torch.generator(0));
      const [first, second] = [tokens(1), tokens(2)];
      const roll = (x: torch.Tensor): torch.Tensor => x.roll([1], [1]);
      const out = fusion.forward(first, second, evalContext());
      expect(relativeError(fusion.forward(first, roll(second), evalContext()), out)).toBeLessThan(1e-5);
      expect(relativeError(fusion.forward(roll(first), second, evalContext()), roll(out))).toBeLessThan(1e-5);
      expect(relativeError(fusion.forward(second, first, evalContext()), out)).toBeGreaterThan(0.1);
    });
  });

  it('has the gradient of its differences, in both views and every parameter', () => {
    torch.scope(() => {
      const fusion = new CrossAttention(8, 2, torch.generator(0));
      widen(fusion);
      // Not a dtype to train in, which is why the type has it not; the layers take it as they take float32.
      const ctx = { ...evalContext(), computeDtype: 'float64' as string } as ForwardContext;
      const [first, second] = [tokens(1), tokens(2)].map((x) => x.to('float64')) as [torch.Tensor, torch.Tensor];
      const inputs = [first, second, ...fusion.parameters()] as const;
      expect(inputs.map(({ dtype }) => dtype)).toEqual(Array.from({ length: 2 + 6 }, () => 'float64'));
      gradientCheck((x, y) => fusion.forward(x, y, ctx), inputs);
    });
  });

  it('bfloat16 is within 2 % of float32', () => {
    torch.scope(() => {
      const fusion = new CrossAttention(8, 2, torch.generator(0));
      const [first, second] = [tokens(1), tokens(2)];
      const at = (dtype: 'float32' | 'bfloat16'): torch.Tensor => fusion.forward(first, second, evalContext(dtype));
      expect(at('bfloat16').dtype).toBe('bfloat16');
      expect(relativeError(at('bfloat16'), at('float32'))).toBeLessThan(2e-2);
    });
  });

  it('names heads that do not divide the features', () => {
    expect(() => new CrossAttention(10, 4, torch.generator(0))).toThrow('10');
  });
});
