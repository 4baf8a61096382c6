/**
 * Intermediate-transformation reconstruction: the auxiliary task that makes half of the features equivariance-coherent,
 * added to any joint-embedding objective of two views.
 *
 *   v2 = g_theta(u),  u_k = g_{theta_k}(u),  theta_k = k theta / (K + 1)
 *   L = L_base + lambda * 1/K sum_k || D_k([z1_equi ; z2_equi]) - u_k ||^2
 *
 * It asks the base's second view to be a transformed one and decodes from the features the base computed: no encoder
 * pass of its own, and no knowledge of which base it is. Source: arXiv 2503.18753v2, section 3; open points: recipes E.5.
 *
 * B images, N patches, E equivariant features, S pixels a side, K intermediate states.
 */
import type { Generator } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { Module } from '@halfway/torch/nn';
import type { ViewRequest } from '../data/batch.js';
import type { Decoder } from '../models/decoder.js';
import type { Objective } from './objective.js';
import { errorByRegion } from './reconstructionLoss.js';
import { inspectReconstruction } from './reconstructionReport.js';
import { createTask, decode, reconstructionTerm, targetsOf } from './reconstructionTask.js';
import type { ReconstructionOptions } from './reconstructionTask.js';

/**
 * The base objective with the task added: its second view becomes g_theta(u), its network gains `decoders.*`, its terms
 * gain `recon`, its figures `reconInside` and, where g shows pixels from outside the photo, `reconOutside` (mean squared
 * error per pixel of either region, whatever the loss counts). Throws Error when the base has no second view to transform.
 */
export function withReconstruction(base: Objective, options: ReconstructionOptions, rng: Generator): Objective {
  const views = requestPath(base.views, options);
  const task = createTask(options, views[1].sizePx, rng);
  return {
    views,
    network: new ReconstructionNetwork(base.network, task.decoders),
    initialState: () => base.initialState(),
    weightsAt: (step, totalSteps) => ({
      ...base.weightsAt(step, totalSteps),
      recon: options.lambda * Math.min(1, (step + 1) / Math.max(1, options.warmupFraction * totalSteps)),
    }),

    forward(batch, params, state, ctx) {
      const output = base.forward(batch, params, state, ctx);
      const decoded = decode(task, output.features, ctx); // one [B, 3, S, S] per target
      const targets = targetsOf(batch, options);
      const recon = reconstructionTerm(decoded, targets, options);
      const figures = errorByRegion(decoded, targets.wanted, targets.valid);
      return { ...output, terms: { ...output.terms, recon }, figures: { ...output.figures, ...figures } };
    },

    inspect(batch, state, ctx) {
      return torch.noGrad(() => inspectReconstruction(task, base.inspect(batch, state, ctx), batch, ctx));
    },
  };
}

/** The base's network with the decoders beside its own children. */
class ReconstructionNetwork extends Module {
  readonly decoders: readonly Decoder[];

  constructor(base: Module, decoders: readonly Decoder[]) {
    super();
    Object.assign(this, base); // its children keep their names, and so do its checkpoints
    this.decoders = decoders;
  }
}

function requestPath(
  views: readonly ViewRequest[],
  options: ReconstructionOptions,
): [ViewRequest, ViewRequest, ...ViewRequest[]] {
  const [first, second, ...others] = views;
  if (!first || !second || second.transformed || first.sizePx !== second.sizePx) {
    const sizes = views.map(({ name, sizePx }) => `${name} ${sizePx} px`).join(', ') || 'none';
    throw new Error(
      `reconstruct: needs two plain views of equal size, got ${sizes}; add the task to such an objective`,
    );
  }
  const { transformation, intermediates, fill, sharedCrop } = options;
  return [first, { ...second, transformed: { transformation, intermediates, fill, sharedCrop } }, ...others];
}
