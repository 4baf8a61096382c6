/**
 * One batch of each objective as its authors' own classes computed it (fixtures/objectives/dinoAuthors.py): another teacher than the
 * student, centres that have moved, local views, and an image without hidden patches.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { expect } from 'vitest';
import { configSchema } from '../config/schema.js';
import type { Config } from '../config/schema.js';
import { evalContext, expectClose, Fixture, loadWeights, present } from '../models/fixture.case.js';
import { createObjective } from './create.js';
import { stepParams, totalLoss } from './objective.case.js';

export const authors = new Fixture('objectives/dinoAuthors');

/** The head of the stored batches. */
export const AUTHORS_HEAD = { hiddenDim: 7, bottleneckDim: 5, prototypes: 11 };
/** 0.06 at step 2 of 8: the third of the warm-up's four epochs. */
export const AUTHORS_TEMP = { temps: [0.04, 0.07], warmupFraction: 0.5, stairs: 4 };

/** The configuration of a stored batch with the objective's own sections. */
export function authorsConfig(sections: object): Config {
  return configSchema.parse({
    model: {
      ...{ size: 'custom', widthDim: 12, depth: 2, numHeads: 3, mlpRatio: 2, patch: 4, imagePx: 16 },
      positionResize: 'offset',
    },
    split: { dim: 10, equivariantDim: 4 },
    augment: { local: { count: 2, cropPx: 8 } },
    ...sections,
  });
}

/** A smaller one for tests of what a switch does: `numLocal` local views, and the objective's own sections over its small head. */
export function tinyConfig(
  objective: 'dino' | 'ibot' | 'dinov2',
  section: object,
  { numLocal = 1, ...rest }: { readonly numLocal?: number } & Readonly<Record<string, unknown>> = {},
): Config {
  return configSchema.parse({
    objective,
    model: { size: 'custom', widthDim: 12, depth: 1, numHeads: 2, patch: 4, imagePx: 16 },
    split: { dim: 10, equivariantDim: 4 },
    augment: { local: { count: numLocal, cropPx: 8 } },
    [objective]: { ...AUTHORS_HEAD, ...section },
    ...rest,
  });
}

/** Every term, gradient and next centre of `fixture`'s case, to 1e-5 of the largest value: the authors' code ran in f64. */
export function expectAuthors(name: string, config: Config): void {
  torch.scope(() => {
    const objective = createObjective(config, torch.generator(0));
    loadWeights(objective.network, authors.below(`${name}/w/`));
    loadWeights(present(objective.teacher).network, authors.below(`${name}/teacher/`));
    const masks = authors.below(`${name}/v/`);
    const views = objective.views.map((request, i) => {
      const mask = masks.get(`mask${i}`);
      return { name: request.name, images: authors.get(`${name}/v/${i}`), ...(mask && { mask }) };
    });
    const state = Object.fromEntries(
      Object.keys(objective.initialState()).map((key): [string, Tensor] => [key, authors.get(`${name}/s/${key}`)]),
    );
    const params = stepParams(objective, 2, 8);
    const output = objective.forward(
      { views, indices: new Int32Array(3) },
      params,
      state,
      evalContext('float32', true),
    );

    const terms = [...authors.below(`${name}/t/`)];
    expect(Object.keys(output.terms).sort()).toEqual(terms.map(([key]) => key).sort());
    for (const [key, expected] of terms) {
      expectClose(present(output.terms[key]).mul(key === 'koleo' ? present(params.weights[key]) : 1), expected, key);
    }
    for (const [key, next] of Object.entries(output.state)) expectClose(next, authors.get(`${name}/next/${key}`), key);
    totalLoss(output, params).backward();
    for (const [key, { grad }] of objective.network.namedParameters()) {
      expectClose(grad, authors.get(`${name}/g/${key}`), `gradient of ${key}`);
    }
  });
}
