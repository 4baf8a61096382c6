import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { Expander } from './expander.js';
import { evalContext, expectClose, Fixture, loadWeights, present } from './fixture.case.js';

describe('expander', () => {
  it('embeddings and gradients equal those of an independent PyTorch module', () => {
    torch.scope(() => {
      const fixture = new Fixture('vicreg');
      const expander = new Expander(6, [5, 7, 4], torch.generator(0));
      loadWeights(expander, fixture.below('expander/w/'));
      const x = fixture.leaf('expander/x');
      const y = expander.forward(x, evalContext('float32', true));
      expectClose(y, fixture.get('expander/y'), 'y');
      y.mul(fixture.get('expander/probe')).sum().backward();
      expectClose(x.grad, fixture.get('expander/gx'), 'x', 2e-5);
      for (const [key, parameter] of expander.namedParameters()) {
        const expected = fixture.get(`expander/g/${key}`);
        // A bias before batch norm has no gradient but rounding.
        if (/linears\.[01]\.bias/.test(key)) expect(present(parameter.grad).abs().max().item()).toBeLessThan(1e-5);
        else expectClose(parameter.grad, expected, key, 2e-5);
      }
    });
  });

  it('has biases in all layers but the last, and embeds in float32', () => {
    torch.scope(() => {
      const expander = new Expander(6, [5, 4], torch.generator(0));
      expect(expander.linears.map((linear) => linear.bias !== undefined)).toEqual([true, false]);
      const y = expander.forward(torch.ones([3, 6]), evalContext('bfloat16', true));
      expect([y.dtype, ...y.shape]).toEqual(['float32', 3, 4]);
      expect(new Expander(6, [4], torch.generator(0)).numParameters()).toBe(24);
    });
  });
});
