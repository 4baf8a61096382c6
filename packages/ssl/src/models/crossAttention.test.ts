import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { CrossAttention } from './crossAttention.js';
import { evalContext, relativeError } from './fixture.case.js';

/** Tokens of two images, [2, 5, 8]. */
const tokens = (seed: number): torch.Tensor => torch.randn([2, 5, 8], { generator: torch.generator(seed) });

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
