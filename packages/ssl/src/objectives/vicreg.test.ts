import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../config/schema.js';
import { Expander } from '../models/expander.js';
import { evalContext, expectClose, expectGradient, Fixture } from '../models/fixture.case.js';
import { pairOf } from '../pairs.js';
import { createObjective } from './create.js';
import { randomBatch, stepParams } from './objective.case.js';
import { splitTokens, type SplitTokens } from './split.js';
import { covariance, invariance, variance, vicreg, vicregLoss, vicregTerms } from './vicreg.js';
import { wave } from './wave.case.js';

const fixture = new Fixture('vicreg');

function weighted(x: Tensor, y: Tensor, [a, b, c]: readonly [number, number, number]): Tensor {
  return vicregLoss(x, y, { invariance: a, variance: b, covariance: c });
}

const config = (vicregSection: object = {}, split: object = {}): Parameters<typeof vicreg>[0] =>
  configSchema.parse({
    model: { size: 'custom', widthDim: 12, depth: 1, numHeads: 2, patch: 4, imagePx: 8 },
    split: { dim: 10, equivariantDim: 4, ...split },
    vicreg: { expander: [8, 6], ...vicregSection },
  });

describe('vicreg terms', () => {
  it('equal the closed-form golden numbers', () => {
    torch.scope(() => {
      const [x, y] = [wave(Math.sin, 4, 3), wave(Math.cos, 4, 3)];
      const terms = vicregTerms(x, y);
      expect(terms.invariance.item()).toBeCloseTo(1.0223269981, 9);
      expect(terms.variance.item()).toBeCloseTo(0.2757919593, 9);
      expect(terms.covariance.item()).toBeCloseTo(1.2850477224, 9);
      expect(weighted(x, y, [25, 25, 1]).item()).toBeCloseTo(33.7380216574, 8);
      expect(weighted(x, y, [10, 10, 1]).item()).toBeCloseTo(14.2662372964, 8);
    });
  });

  it.each(['wide', 'tall'])('%s: values and gradients equal an independent reference', (name) => {
    torch.scope(() => {
      const [x, y] = [fixture.leaf(`${name}/x`), fixture.leaf(`${name}/y`)];
      const terms = vicregTerms(x, y);
      for (const key of ['invariance', 'variance', 'covariance'] as const) {
        expectClose(terms[key], fixture.get(`${name}/${key}`), key);
      }
      weighted(x, y, [25, 25, 1]).backward();
      expectClose(x.grad, fixture.get(`${name}/gx`), 'gradient of x');
      expectClose(y.grad, fixture.get(`${name}/gy`), 'gradient of y');
    });
  });

  it('gradients equal finite differences', () => {
    torch.scope(() => {
      const inputs = [wave(Math.sin, 5, 4).mul(0.5), wave(Math.cos, 5, 4).mul(0.5)];
      expectGradient((pair) => weighted(...pairOf(pair), [25, 25, 1]), inputs);
    });
  });

  it('say which shapes they need', () => {
    torch.scope(() => {
      const loss = (x: Tensor, y: Tensor): Tensor => weighted(x, y, [25, 25, 1]);
      expect(() => loss(torch.ones([4, 3]), torch.ones([3]))).toThrow(/\[B, E\] of one shape.*got \[4, 3\] and \[3\]/);
      expect(() => loss(torch.ones([1, 3]), torch.ones([1, 3]))).toThrow(/B at least 2, got \[1, 3\]/);
    });
  });

  it('are symmetric in the two views and unchanged by the order of images', () => {
    torch.scope(() => {
      const [x, y] = [wave(Math.sin, 6, 4), wave(Math.cos, 6, 4)];
      const loss = weighted(x, y, [3, 5, 7]).item();
      expect(weighted(y, x, [3, 5, 7]).item()).toBeCloseTo(loss, 10);
      const order = torch.tensor(new BigInt64Array([3n, 1n, 5n, 0n, 2n, 4n]));
      const shuffled = (z: Tensor): Tensor => z.indexSelect(0, order);
      expect(weighted(shuffled(x), shuffled(y), [3, 5, 7]).item()).toBeCloseTo(loss, 10);
    });
  });

  it('vanish where they should', () => {
    torch.scope(() => {
      const x = wave(Math.sin, 6, 3);
      expect(invariance(x, x).item()).toBe(0);
      expect(variance(x.mul(100)).item()).toBe(0); // every std above 1
      expect(variance(torch.zeros([6, 3])).item()).toBeCloseTo(0.99, 6); // collapsed: 1 - sqrt(1e-4)
      const orthogonal = torch.tensor([1, 1, 1, -1, -1, 1, -1, -1], { shape: [4, 2] });
      expect(covariance(orthogonal).item()).toBe(0);
    });
  });
});

describe('vicreg objective', () => {
  const vectors = (section: object, split: object = {}): Record<string, number> =>
    torch.scope(() => {
      const objective = vicreg(config(section, split), torch.generator(0));
      const batch = randomBatch(objective.views, 6);
      const { terms } = objective.forward(batch, stepParams(objective), {}, evalContext('float32', true));
      return Object.fromEntries(Object.entries(terms).map(([key, term]) => [key, term.item()]));
    });

  it.each(['mean', 'cls'] as const)('has its terms of each image: %s', (pool) => {
    torch.scope(() => {
      const objective = vicreg(config({ pool, regularizeEqui: true }), torch.generator(0));
      const batch = randomBatch(objective.views, 6);
      const ctx = evalContext('float32', true);
      const { terms } = objective.forward(batch, stepParams(objective), {}, ctx);
      const { features } = objective.inspect(batch, {}, ctx);
      const vectorOf = ({ cls, patches }: SplitTokens['invariant']): Tensor => {
        if (pool === 'cls') return cls;
        const [, numPatches = 0] = patches.shape;
        return patches.sum([1]).div(numPatches);
      };
      const expander = new Expander(6, [8, 6], torch.generator(1)); // with the weights of the objective's
      const name = 'expander.';
      const weights = [...objective.network.stateDict()].filter(([key]) => key.startsWith(name));
      expander.loadStateDict(new Map(weights.map(([key, weight]) => [key.slice(name.length), weight])));
      const [x, y] = pairOf(features.map(({ invariant }) => expander.forward(vectorOf(invariant), ctx)));
      const [s, t] = pairOf(features.map(({ equivariant }) => vectorOf(equivariant)));
      const expected = {
        ...{ invariance: invariance(x, y), variance: variance(x).add(variance(y)).div(2) },
        covariance: covariance(x).add(covariance(y)),
        ...{ equiVariance: variance(s).add(variance(t)).div(2), equiCovariance: covariance(s).add(covariance(t)) },
      };
      expect(Object.keys(terms)).toEqual(Object.keys(expected));
      for (const [key, term] of Object.entries(expected))
        expect([key, terms[key]?.item()]).toEqual([key, expect.closeTo(term.item(), 5)]);
    });
  });

  it('regularizes the equivariant part when told so, with the weights of the terms', () => {
    const terms = vectors({ regularizeEqui: true });
    expect(Object.keys(terms)).toEqual(['invariance', 'variance', 'covariance', 'equiVariance', 'equiCovariance']);
    torch.scope(() => {
      const section = { regularizeEqui: true, invariance: 25, variance: 20, covariance: 3 };
      expect(vicreg(config(section), torch.generator(0)).weightsAt(0, 1)).toEqual({
        ...{ invariance: 25, variance: 20, covariance: 3, equiVariance: 20, equiCovariance: 3 },
      });
    });
  });

  it('asks for two plain views of the size of the model', () => {
    torch.scope(() => {
      const objective = vicreg(config(), torch.generator(0));
      expect(objective.views).toEqual([
        { name: 'v1', sizePx: 8 },
        { name: 'v2', sizePx: 8 },
      ]);
    });
  });

  it("runs a ResNet once a view, so that batch statistics are a view's own", () => {
    torch.scope(() => {
      const model = { kind: 'resnet18', imagePx: 16, resnet: { stem: 'small' } } as const;
      const objective = vicreg(configSchema.parse({ model, vicreg: { expander: [8] } }), torch.generator(0));
      const ctx = evalContext('float32', true);
      objective.forward(randomBatch(objective.views), stepParams(objective), objective.initialState(), ctx);
      expect(objective.network.stateDict().get('encoder.bn1.num_batches_tracked')?.item()).toBe(2);
    });
  });

  it('names a split that leaves nothing', () => {
    for (const equivariantDim of [10, 11]) {
      expect(() => vicreg(config({}, { equivariantDim }), torch.generator(0))).toThrow(
        `split.equivariantDim: must lie between 0 and 9, got ${equivariantDim} of 10 features; use 5`,
      );
    }
  });
});

describe('the split', () => {
  it('cannot be at the output of a head that sees no patches', () => {
    for (const objective of ['vicreg', 'simclr', 'sie'] as const) {
      const wanted = configSchema.parse({ objective, split: { location: 'head_output' } });
      expect(() => createObjective(wanted, torch.generator(0))).toThrow(
        'split.location: needs an objective with prototypes, whose head gives features of every patch, got head_output for one without; use',
      );
    }
  });
});

describe('a split without an equivariant part', () => {
  it('is an error for who reads that part', () => {
    const split = { dim: 12, equivariantDim: 0 };
    for (const sections of [{ objective: 'sie' }, { objective: 'vicreg', vicreg: { regularizeEqui: true } }]) {
      expect(() => createObjective(configSchema.parse({ ...sections, split }), torch.generator(0))).toThrow(
        'split.equivariantDim: must lie between 1 and 11, got 0 of 12 features; use 6',
      );
    }
  });
});

describe('splitTokens', () => {
  it('cuts the feature axis in either order', () => {
    torch.scope(() => {
      const tokens = { cls: torch.arange(5).reshape([1, 5]), patches: torch.arange(10).reshape([1, 2, 5]) };
      const last = splitTokens(tokens, { equivariantDim: 2, equiFirst: false });
      expect(last.invariant.cls.toArray()).toEqual([[0, 1, 2]]);
      expect(last.equivariant.patches.toArray()).toEqual([
        [
          [3, 4],
          [8, 9],
        ],
      ]);
      const first = splitTokens(tokens, { equivariantDim: 2, equiFirst: true });
      expect(first.equivariant.cls.toArray()).toEqual([[0, 1]]);
      expect(first.invariant.patches.toArray()).toEqual([
        [
          [2, 3, 4],
          [7, 8, 9],
        ],
      ]);
    });
  });
});
