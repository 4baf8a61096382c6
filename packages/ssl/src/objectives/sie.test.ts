import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { evalContext, expectGradient, present } from '../models/fixture.case.js';
import { createObjective } from './create.js';
import { randomBatch, stepParams } from './objective.case.js';
import { expectOneBatch, smallConfig } from './reference.case.js';
import { sie, sieLoss, sieTerms } from './sie.js';
import type { SieTerms } from './sie.js';
import { covariance, variance } from './vicreg.js';
import { wave } from './wave.case.js';

const section = (change: object = {}): object => ({ sie: { target: 'rotation', expander: [16, 12], ...change } });

/** Terms of six random images in which g turns by nothing or by what the transformation draws. */
function termsOf(change: object = {}, seed = 0): Record<string, number> {
  return torch.scope(() => {
    const objective = sie(smallConfig(section(change)), torch.generator(seed));
    const { terms } = objective.forward(
      randomBatch(objective.views, 6),
      stepParams(objective),
      {},
      evalContext('float32', true),
    );
    return Object.fromEntries(Object.entries(terms).map(([name, term]) => [name, term.item()]));
  });
}

/** invariant x, y; equivariant x, y; the prediction: f64 [5, 3] or [5, 2]. */
function embeddings(): Tensor[] {
  return [
    wave(Math.sin, 5, 3),
    wave(Math.cos, 5, 3),
    wave(Math.sin, 5, 2),
    wave(Math.cos, 5, 2),
    wave(Math.sin, 2, 5).t(),
  ];
}

function termsFrom(tensors: readonly Tensor[]): SieTerms {
  const [xInvariant, yInvariant, xEquivariant, yEquivariant, predicted] = tensors.map((x) => x.mul(0.5));
  return sieTerms(
    { invariant: present(xInvariant), equivariant: present(xEquivariant) },
    { invariant: present(yInvariant), equivariant: present(yEquivariant) },
    present(predicted),
  );
}

describe('sieLoss', () => {
  it('is the weighted sum of the terms, and says which shapes it needs', () => {
    torch.scope(() => {
      const [x, y, xEqui, yEqui, predicted] = embeddings();
      const views = [
        { invariant: present(x), equivariant: present(xEqui) },
        { invariant: present(y), equivariant: present(yEqui) },
      ] as const;
      const weights = { invariance: 10, equivariance: 4.5, variance: 9, covariance: 2, predictionVariance: 3 };
      const terms = sieTerms(...views, present(predicted));
      const names = Object.keys(weights) as (keyof SieTerms)[];
      const sum = names.reduce((total, name) => total + weights[name] * terms[name].item(), 0);
      expect(sieLoss(...views, present(predicted), weights).item()).toBeCloseTo(sum, 10);
      expect(() => sieLoss(...views, torch.ones([5, 3]), weights)).toThrow(
        'sieTerms: must have two tensors [B, E] of one shape with B at least 2, got [5, 3] and [5, 2]',
      );
    });
  });
});

describe('sieTerms', () => {
  it('regularizes both parts together: what repeats in the other part counts', () => {
    torch.scope(() => {
      const z = wave(Math.sin, 6, 2);
      const { covariance: whole } = sieTerms({ invariant: z, equivariant: z }, { invariant: z, equivariant: z }, z);
      const parts = 2 * covariance(z).item();
      expect(whole.item()).toBeGreaterThan(1.5 * parts);
    });
  });

  it('halves the variance term of the prediction, and averages that of the views', () => {
    torch.scope(() => {
      const z = wave(Math.sin, 6, 2).mul(0.1);
      const terms = sieTerms({ invariant: z, equivariant: z }, { invariant: z, equivariant: z }, z);
      expect(terms.predictionVariance.item()).toBeCloseTo(variance(z).item() / 2, 12);
      expect(terms.variance.item()).toBeCloseTo(variance(z).item(), 12);
    });
  });

  it('vanishes where both parts agree', () => {
    torch.scope(() => {
      const [inv, equi] = [wave(Math.sin, 6, 3), wave(Math.cos, 6, 2)];
      const terms = sieTerms({ invariant: inv, equivariant: equi.neg() }, { invariant: inv, equivariant: equi }, equi);
      expect([terms.invariance.item(), terms.equivariance.item()]).toEqual([0, 0]);
    });
  });

  it('gradients equal finite differences', () => {
    torch.scope(() => {
      expectGradient((tensors) => {
        const { invariance, equivariance, variance, covariance, predictionVariance } = termsFrom(tensors);
        return invariance.add(equivariance.mul(2)).add(variance.mul(3)).add(covariance).add(predictionVariance.mul(4));
      }, embeddings());
    });
  });
});

describe('sie', () => {
  it('terms and gradients of one batch equal those of an independent PyTorch script', () => {
    expectOneBatch('sie', smallConfig({ objective: 'sie', ...section() }));
  });

  it('where g is the identity its prediction is a map of its own, whatever the range of theta', () => {
    const still = (rotationDeg: number): Record<string, number> =>
      torch.scope(() => {
        const config = smallConfig({ objective: 'sie', ...section(), transform: { prob: 0, rotationDeg } });
        const objective = createObjective(config, torch.generator(0));
        const batch = randomBatch(objective.views, 6);
        const { terms } = objective.forward(batch, stepParams(objective), {}, evalContext('float32', true));
        return Object.fromEntries(Object.entries(terms).map(([name, term]) => [name, term.item()]));
      });
    expect(still(10)).toEqual(still(90));
    expect(still(10)['predictionVariance']).toBeLessThan(0.5 - 1e-3); // W(identity) is not 0: the prediction varies
  });

  it('regularizePrediction is the variance term of the prediction', () => {
    const [sieLike, noVar] = [termsOf(), termsOf({ regularizePrediction: false })];
    const { predictionVariance, ...others } = sieLike;
    expect(predictionVariance).toBeGreaterThan(0);
    expect(noVar).toEqual(others);
  });

  it('a deep hypernetwork, the class token and another g change the prediction', () => {
    const { equivariance } = termsOf();
    for (const change of [{ predictor: 'deep' }, { pool: 'cls' }, { target: 'se2' }]) {
      expect(termsOf(change)['equivariance']).not.toBe(equivariance);
    }
  });

  it('shares the widths out as the split is, and weighs its terms as it is told', () => {
    torch.scope(() => {
      const change = { invariance: 7, equivariance: 5, variance: 3, covariance: 2 };
      const objective = sie(smallConfig(section(change)), torch.generator(0));
      expect(objective.weightsAt(0, 1)).toEqual({ ...change, predictionVariance: 3 });
      const shapes = new Map([...objective.network.stateDict()].map(([name, { shape }]) => [name, [...shape]]));
      expect(shapes.get('invariant_expander.linears.1.weight')).toEqual([7, 10]); // 0.6 of 12 and 16, rounded
      expect(shapes.get('equivariant_expander.linears.1.weight')).toEqual([5, 6]);
      expect(shapes.get('predictor.weights.weight')).toEqual([5, 5 * 2]);
    });
  });

  it('asks g of its second view, without states, with its own fill', () => {
    torch.scope(() => {
      const { views } = sie(smallConfig(section({ target: 'all', fill: 'content' })), torch.generator(0));
      expect(views[0]).toEqual({ name: 'v1', sizePx: 8 });
      expect(views[1]?.transformed).toMatchObject({ intermediates: 0, fill: 'content', sharedCrop: false });
      expect(views[1]?.transformed?.transformation.name).toBe('all');
    });
  });

  it('takes the reconstruction task of the same g, and names another', () => {
    torch.scope(() => {
      const create = (recon: object) => () =>
        createObjective(smallConfig({ objective: 'sie', ...section(), recon }), torch.generator(0));
      expect(create({ target: 'rotation' })().views[1]?.transformed?.intermediates).toBe(2);
      const rule = 'must be as in what the objective does to its second view itself, rotation with fill zeros, got';
      expect(create({ target: 'blur' })).toThrow(`recon.target: ${rule} blur with fill zeros`);
      expect(create({ target: 'rotation', fill: 'mean' })).toThrow(`recon.fill: ${rule} rotation with fill mean`);
      expect(create({ target: 'rotation', sharedCrop: true })).toThrow(
        `recon.sharedCrop: ${rule} rotation with fill zeros from a shared crop`,
      );
    });
  });

  it('names a split that leaves nothing', () => {
    const config = smallConfig({ ...section(), split: { dim: 10, equivariantDim: 10 } });
    expect(() => sie(config, torch.generator(0))).toThrow('split.equivariantDim: must lie between 1 and 9');
  });
});
