/**
 * The objectives of fixtures/objectives: one batch whose terms and gradients an independent PyTorch script computed. Weights, views and
 * shapes are those of fixtures/objectives/bases.py.
 *
 * B images, S pixels a side.
 */
import type { Device, Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import type { Module } from '@halfway/torch/nn';
import { expect } from 'vitest';
import { configSchema } from '../config/schema.js';
import type { Config } from '../config/schema.js';
import type { DeviceBatch } from '../data/batch.js';
import { evalContext, expectClose, Fixture, loadWeights, present } from '../models/fixture.case.js';
import { createObjective } from './create.js';
import { stepParams, totalLoss } from './objective.case.js';
import type { Objective } from './objective.js';

/** The shape of bases.py, SMALL. */
const SMALL = {
  model: { size: 'custom', widthDim: 12, depth: 2, numHeads: 3, mlpRatio: 2, patch: 4, imagePx: 8 },
  split: { dim: 10, equivariantDim: 4 },
  decoder: { channels: 8 },
};

/** The configuration of a stored batch with the objective's own sections. */
export function smallConfig(sections: object): Config {
  return configSchema.parse({ ...SMALL, ...sections });
}

/** Views of bases.py's draw_views as a batch: `viewOf` gives v1, v2, theta and the states u0, u1, ... by name. */
export function batchOf({ views }: Objective, viewOf: (name: string) => Tensor): DeviceBatch {
  const [first, second] = [viewOf('v1'), viewOf('v2')];
  const { transformed } = present(views[1]);
  const [batch = 0, , sizePx = 0] = second.shape;
  const path = transformed && {
    theta: viewOf('theta'), // [B, P]
    start: second,
    states: Array.from({ length: transformed.intermediates }, (_, k) => viewOf(`u${k}`)),
    valid: Array.from({ length: transformed.intermediates }, () => torch.ones([batch, 1, sizePx, sizePx])),
  };
  return {
    indices: new Int32Array(batch),
    views: [
      { name: 'v1', images: first },
      { name: 'v2', images: second, ...(path && { path }) },
    ],
  };
}

/** Every parameter as bases.py's draw_weights has it, bit for bit. */
export function drawWeights(network: Module, generator: Generator): void {
  torch.noGrad(() => {
    for (const [name, parameter] of [...network.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const scale = parameter.rank > 1 ? 1 / Math.sqrt(parameter.numel / present(parameter.shape[0])) : 0.1;
      const offset = parameter.rank === 1 && name.endsWith('weight') ? 1 : 0;
      const uniform = torch.rand([...parameter.shape], { generator });
      parameter.copy_(uniform.mul(2).sub(1).mul(scale).add(offset)); // wherever it is
    }
  });
}

/** The views of bases.py's draw_views, bit for bit: v1, v2, then theta in [-1, 1] and the states, local views, and masks. */
export function drawBatch(objective: Objective, numImages: number, generator: Generator): DeviceBatch {
  const { sizePx, transformed } = present(objective.views[1]);
  const images = (side = sizePx): Tensor => torch.rand([numImages, 3, side, side], { generator });
  const drawn: Record<string, Tensor> = { v1: images(), v2: images() };
  const numParameters = transformed?.transformation.parameters.length ?? 0;
  drawn['theta'] = torch.rand([numImages, numParameters], { generator }).mul(2).sub(1);
  for (let k = 0; k < (transformed?.intermediates ?? 0); k++) drawn[`u${k}`] = images();
  const { indices, views } = batchOf(objective, (name) => present(drawn[name]));
  const locals = objective.views.slice(2).map((request) => ({ name: request.name, images: images(request.sizePx) }));
  const numPatches = objective.planMasks?.(() => () => 0, 1)[0]?.length;
  if (numPatches === undefined) return { indices, views: [...views, ...locals] };
  const seen = torch.zeros([numPatches]).indexFill(0, torch.tensor([0], { dtype: 'int64' }), 1); // the first patch always is
  const hidden = (): Tensor => torch.rand([numImages, numPatches], { generator }).add(seen).lt(0.4);
  return { indices, views: [...views.map((view) => ({ ...view, mask: hidden() })), ...locals] };
}

/** The same batch on a device. */
export function moveBatch({ indices, views }: DeviceBatch, device: Device): DeviceBatch {
  const moved = views.map(({ name, images, mask, path }) => ({
    ...{ name, images: images.to(device) },
    ...(mask && { mask: mask.to(device) }),
    ...(path && {
      path: {
        ...{ theta: path.theta.to(device), start: path.start.to(device) },
        ...{ states: path.states.map((state) => state.to(device)), valid: path.valid.map((valid) => valid.to(device)) },
      },
    }),
  }));
  return { indices, views: moved };
}

// What batch norm cancels (a bias before it) has no gradient: in f64 less than 1e-9 of the largest of any parameter, in f32 its rounding.
const NO_GRADIENT = { float64: 1e-9, float32: 1e-5 };

/**
 * Terms and every parameter's gradient of the batch in `fixtures/objectives/<topic>.safetensors`, to 1e-5 of the largest value: the
 * reference was computed in f64.
 */
export function expectOneBatch(topic: string, config: Config): void {
  torch.scope(() => {
    const fixture = new Fixture(`objectives/${topic}`);
    const objective = createObjective(config, torch.generator(0));
    loadWeights(objective.network, fixture.below('w/'));
    const batch = batchOf(objective, (name) => fixture.get(`v/${name}`));
    const params = stepParams(objective);
    const output = objective.forward(batch, params, objective.initialState(), evalContext('float32', true));
    expect(Object.keys(output.terms).sort()).toEqual([...fixture.below('t/').keys()].sort());
    for (const [name, term] of Object.entries(output.terms)) expectClose(term, fixture.get(`t/${name}`), name);
    totalLoss(output, params).backward();
    const named = objective.network.namedParameters();
    const largest = Math.max(...named.map(([name]) => largestOf(fixture.get(`g/${name}`))));
    for (const [name, { grad }] of named) {
      const expected = fixture.get(`g/${name}`);
      if (largestOf(expected) > NO_GRADIENT.float64 * largest) expectClose(grad, expected, name);
      else expect(largestOf(present(grad)) / largest, name).toBeLessThan(NO_GRADIENT.float32);
    }
  });
}

function largestOf(x: Tensor): number {
  return x.detach().abs().amax().item();
}
