/**
 * AugSelf's auxiliary task, the simplest rival of reconstruction: a small network reads theta itself from both views' equivariant
 * features. Source: Lee et al. 2021 (arXiv 2111.09613), equation 2, and hankook/AugSelf trainers.py and models.py.
 *
 * What the paper does with every random augmentation is done here with g alone, which is all that the other tasks are told:
 * - d = theta_v2 - theta_v1 = theta: g acts on the second view only. Each parameter is over the largest magnitude of its range
 *   (transforms/scaledTheta.ts), so that d lies in [-1, 1] and 0 is the identity;
 * - the features are the means over patches of the equivariant parts, where the paper has the whole backbone's;
 * - both orders of the views are predicted, (z1, z2) -> d and (z2, z1) -> -d, from an MLP (models.py: 2E-512-512-P, with batch norm) and a final tanh.
 *
 * B images, N patches, E equivariant features, P transformation parameters.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { Expander } from '../models/expander.js';
import { pairOf } from '../pairs.js';
import { scaledTheta } from '../transforms/scaledTheta.js';
import type { Transformation } from '../transforms/transformation.js';
import { expectShapes } from './expectShapes.js';
import type { PairTask } from './pairTask.js';
import { equivariantPatches } from './split.js';
import { pathOf } from './transformedPair.js';

export interface RegressionOptions extends Pick<Config['recon'], 'fill' | 'sharedCrop' | 'regressor'> {
  readonly transformation: Transformation;
  readonly clsEqui: Config['split']['clsEqui'];
  readonly equivariantDim: number; // E
}

/**
 * Mean over the 2B ordered pairs and P parameters of (tanh(prediction) - difference)^2, f32 [].
 * @param forth f32 [B, P] predicted from (z1, z2)
 * @param back f32 [B, P] predicted from (z2, z1)
 * @param difference f32 [B, P] in [-1, 1], the second view's parameters minus the first's
 * @throws ShapeError unless all three have one shape
 */
export function augselfLoss(forth: Tensor, back: Tensor, difference: Tensor): Tensor {
  expectShapes('augselfLoss', { forth: [forth, 'B P'], back: [back, 'B P'], difference: [difference, 'B P'] });
  return torch
    .cat([forth, back])
    .tanh()
    .mseLoss(torch.cat([difference, difference.neg()]));
}

/** The task with the term `theta`, the module `regressor`, and the figure `thetaOverUninformed`: 1 - R2 of (z1, z2) -> d within the batch. */
export function thetaRegression(options: RegressionOptions, rng: Generator): PairTask {
  const { transformation, fill, sharedCrop, equivariantDim } = options;
  const { parameters } = transformation;
  const widths = [...options.regressor, parameters.length];
  const regressor = new Expander(2 * equivariantDim, widths, rng, { lastBias: true });
  return {
    term: 'theta',
    transformed: { transformation, intermediates: 0, fill, sharedCrop },
    modules: { regressor },
    batchDependent: ['the batch norm of the regressor'],
    uninformed: 'raise recon.lambda, or optim.lr',

    loss(features, batch, ctx) {
      const vectors = features.map((tokens) => {
        return equivariantPatches(tokens, options.clsEqui).mean([1], false, { dtype: 'float32' }); // [B, E]
      });
      const [z1, z2] = pairOf(vectors);
      const difference = scaledTheta(pathOf(batch).path.theta, parameters); // [B, P]
      const pairs = torch.cat([torch.cat([z1, z2], 1), torch.cat([z2, z1], 1)]); // [2B, 2E]
      const [forth, back] = pairOf(regressor.forward(pairs, ctx).chunk(2)); // [B, P]
      return {
        term: augselfLoss(forth, back, difference),
        figures: { thetaOverUninformed: unexplained(forth.tanh(), difference) },
      };
    },

    inspect: (base) => base,
  };
}

/** sum (p - t)^2 / sum (t - mean over the batch)^2, over all parameters; detached. */
function unexplained(predicted: Tensor, target: Tensor): Tensor {
  return torch.noGrad(() => {
    const residual = predicted.sub(target).square().sum();
    const total = target
      .sub(target.mean([0], true))
      .square()
      .sum();
    return residual.div(total.clamp(1e-12));
  });
}
