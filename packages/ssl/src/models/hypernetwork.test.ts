import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { evalContext, expectClose, Fixture, loadWeights } from './fixture.case.js';
import { Hypernetwork } from './hypernetwork.js';

const fixture = new Fixture('objectives/sie');

describe('hypernetwork', () => {
  it.each([
    ['linear', 0],
    ['deep', 2],
  ])("%s: output and gradients equal those of each image's own matrix", (name, numHidden) => {
    torch.scope(() => {
      const predictor = new Hypernetwork(5, 4, numHidden, torch.generator(0));
      loadWeights(predictor, fixture.below(`${name}/w/`));
      const x = fixture.leaf(`${name}/x`);
      const y = predictor.forward(x, fixture.get(`${name}/code`), evalContext());
      expectClose(y, fixture.get(`${name}/y`), 'y');
      y.mul(fixture.get(`${name}/probe`))
        .sum()
        .backward();
      expectClose(x.grad, fixture.get(`${name}/gx`), 'x');
      for (const [key, parameter] of predictor.namedParameters()) {
        expectClose(parameter.grad, fixture.get(`${name}/g/${key}`), key);
      }
    });
  });

  it('is linear in the features, and without hidden layers in the code', () => {
    torch.scope(() => {
      const predictor = new Hypernetwork(3, 2, 0, torch.generator(0));
      const run = (x: torch.Tensor, code: torch.Tensor): torch.Tensor => predictor.forward(x, code, evalContext());
      const [x, code] = [torch.tensor([[1, -2, 0.5]]), torch.tensor([[1, 0.3]])];
      expectClose(run(x.mul(3), code), run(x, code).mul(3), 'features');
      expectClose(run(x, code.mul(-2)), run(x, code).mul(-2), 'code');
    });
  });

  it('starts with a matrix of the variance of the reference: U(-1, 1) / sqrt(Z) a weight', () => {
    torch.scope(() => {
      const { weight } = new Hypernetwork(32, 4, 0, torch.generator(0)).weights;
      expect(weight.abs().amax().item()).toBeLessThanOrEqual(0.5);
      expect(weight.square().mean().item()).toBeCloseTo(1 / 12, 2);
    });
  });

  it('gives float32 in either dtype', () => {
    torch.scope(() => {
      const predictor = new Hypernetwork(3, 2, 2, torch.generator(0));
      const y = predictor.forward(torch.ones([4, 3]), torch.ones([4, 2]), evalContext('bfloat16'));
      expect([y.dtype, ...y.shape]).toEqual(['float32', 4, 3]);
    });
  });
});
