// Clipping against torch.nn.utils (fixtures/optim.py).

import { describe, expect, it } from 'vitest';
import { type Tensor, scope, tensor, zeros } from '../index.js';
import { Fixture } from '../testing/fixture.case.js';
import { expectClose, expectNoLeak } from '../testing/index.js';
import { clipEachGradNorm, clipGradNorm, clipGradValue } from './index.js';

const fixture = new Fixture('optim');

/** Three parameters with gradients, and one without between them. */
function parametersWithGradients(): Tensor[] {
  const parameters = [0, 1, 2].map((i) => {
    const parameter = fixture.leaf(`p/${i}`);
    parameter.grad = fixture.get(`g/${i}`).select(0, 0).clone();
    return parameter;
  });
  parameters.splice(1, 0, zeros([2]).requiresGrad_());
  return parameters;
}

function expectGradients(parameters: readonly Tensor[], key: string): void {
  const gradients = parameters.map(({ grad }) => grad).filter((grad) => grad !== undefined);
  expect(gradients).toHaveLength(3);
  gradients.forEach((gradient, i) => {
    expectClose(gradient, fixture.get(`${key}/${i}`), { what: `gradient ${i}` });
  });
}

describe('clipping', () => {
  it.each([1, 3, 100])('to a common norm of %d equals PyTorch', (maxNorm) => {
    scope(() => {
      const parameters = parametersWithGradients();
      expectClose(clipGradNorm(parameters, maxNorm), fixture.get('clip/norm'));
      expectGradients(parameters, `clip/${maxNorm}`);
    });
  });

  it.each([1, 3, 100])('to a norm of %d each equals PyTorch', (maxNorm) => {
    scope(() => {
      const parameters = parametersWithGradients();
      expectClose(clipEachGradNorm(parameters, maxNorm), fixture.get('each/norms'));
      expectGradients(parameters, `each/${maxNorm}`);
    });
  });

  it.each([
    ['all', clipGradNorm],
    ['each', clipEachGradNorm],
  ])('of %s to a norm of 3 multiplies a gradient of norm 6 by 3 / (6 + 1e-6)', (_, clip) => {
    scope(() => {
      const parameter = zeros([3]).requiresGrad_();
      parameter.grad = tensor([2, 4, -4]);
      clip([parameter], 3);
      // float32 rounds the factor to 3e-8; without the 1e-6 it is 8e-8 away.
      for (const [i, before] of [2, 4, -4].entries()) {
        expect(parameter.grad.select(0, i).item() / before).toBeCloseTo(0.4999999166668, 7);
      }
    });
  });

  it('to a value equals PyTorch, and keeps NaN', () => {
    scope(() => {
      const parameters = parametersWithGradients();
      clipGradValue(parameters, 0.5);
      expectGradients(parameters, 'value/0.5');
      const bad = zeros([2]).requiresGrad_();
      bad.grad = tensor([Number.NaN, -Infinity]);
      clipGradValue([bad], 2);
      expect(bad.grad.toArray()).toEqual([Number.NaN, -2]);
    });
  });

  it('of no gradients does nothing, and leaves nothing behind', () => {
    expect(scope(() => clipEachGradNorm([zeros([2])], 1).shape)).toEqual([0]);
    const parameters = parametersWithGradients();
    expectNoLeak(() => {
      clipEachGradNorm(parameters, 1);
      clipGradValue(parameters, 1);
    });
  });
});
