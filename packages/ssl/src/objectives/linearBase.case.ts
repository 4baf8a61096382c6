/**
 * A made-up base objective for tests of the reconstruction task: two 8 px views, features that are linear maps of 4 px
 * patches (one map per view), a made-up loss and a state. It shows that the task needs features and views, nothing else.
 *
 * B images, N = 4 patches, 5 features of which 3 are equivariant.
 */
import type { Generator } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { Linear, Module } from '@halfway/torch/nn';
import { configSchema } from '../config/schema.js';
import type { Config } from '../config/schema.js';
import type { DeviceBatch } from '../data/batch.js';
import { evalContext, present } from '../models/fixture.case.js';
import { createTransformation } from '../transforms/createTransformation.js';
import type { Objective } from './objective.js';
import type { ReconstructionOptions } from './reconstructionTask.js';
import { withTask } from './pairTask.js';
import { reconstruction } from './reconstruct.js';
import type { SplitTokens } from './split.js';

class LinearNetwork extends Module {
  readonly first: Linear;
  readonly second: Linear;

  constructor(rng: Generator) {
    super();
    this.first = new Linear(48, 5, rng);
    this.second = new Linear(48, 5, rng);
  }
}

/** The base alone, for views of the given sides. */
export function linearBase(sizesPx: readonly number[] = [8, 8]): Objective {
  const network = new LinearNetwork(torch.generator(0));
  const encode = (batch: DeviceBatch): SplitTokens[] =>
    batch.views.map(({ images }, i) => {
      const rows = images.reshape([-1, 3, 2, 4, 2, 4]).permute([0, 2, 4, 1, 3, 5]).reshape([-1, 4, 48]);
      const patches = (i === 0 ? network.first : network.second).forward(rows, evalContext()); // [B, 4, 5]
      const part = (start: number, length: number): SplitTokens['invariant'] => {
        const slice = patches.narrow(2, start, length);
        return { cls: slice.mean([1]), patches: slice };
      };
      return { invariant: part(0, 2), equivariant: part(2, 3) };
    });
  return {
    advice: {},
    views: sizesPx.map((sizePx, i) => ({ name: `v${i + 1}`, sizePx })),
    network,
    weightsAt: () => ({ base: 2 }),
    initialState: () => ({ count: torch.zeros([1]) }),
    forward(batch, _params, state) {
      const features = encode(batch);
      const [x, y] = [present(features[0]).invariant.patches, present(features[1]).invariant.patches];
      return { terms: { base: x.mseLoss(y) }, figures: {}, state: { count: present(state.count).add(1) }, features };
    },
    inspect(batch) {
      const columns = batch.views.map(({ name, images }) => ({ title: name, images }));
      return { figures: {}, features: encode(batch), columns };
    },
  };
}

/** Options of the task for `linearBase`, with defaults from the schema. */
export function taskOptions(
  recon: Partial<ReconstructionOptions> = {},
  target: Exclude<Config['recon']['target'], 'none'> = 'rotation',
): ReconstructionOptions {
  const config = configSchema.parse({ decoder: { channels: 8, activation: 'gelu' }, recon: { target } });
  return {
    ...config.recon,
    transformation: createTransformation(target, config.transform, 8),
    decoder: config.decoder,
    clsEqui: 'ignore',
    equivariantDim: 3,
    patchPx: 4,
    sizePx: 8,
    ...recon,
  };
}

/** The base with the task, both from fixed seeds. */
export function linearWithTask(recon: Partial<ReconstructionOptions> = {}): Objective {
  const options = taskOptions(recon);
  return withTask(linearBase(), reconstruction(options, torch.generator(1)), options);
}
