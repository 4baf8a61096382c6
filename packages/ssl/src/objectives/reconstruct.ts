/**
 * Intermediate-transformation reconstruction: the auxiliary task that makes half of the features equivariance-coherent,
 * added to any joint-embedding objective of two views (pairTask.ts).
 *
 *   v2 = g_theta(u),  u_k = g_{theta_k}(u),  theta_k = k theta / (K + 1)
 *   L = L_base + lambda * 1/K sum_k || D_k([z1_equi ; z2_equi]) - u_k ||^2
 *
 * Source: arXiv 2503.18753v2, section 3; what it leaves open: docs/open-points.md. With `concat: cross_attention`, `intermediates: 0` and
 * `includeFinal` it is the method's 2024 predecessor (arXiv 2412.03314), which reconstructs v2 itself (models/crossAttention.ts).
 *
 * B images, N patches, E equivariant features, S pixels a side, K intermediate states.
 */
import type { Generator } from '@halfway/torch';
import type { PairTask } from './pairTask.js';
import { hiddenPatches } from './pairSource.js';
import { errorByMask, errorByRegion, uninformedError } from './reconstructionLoss.js';
import { inspectReconstruction } from './reconstructionReport.js';
import { createTask, decode, reconstructionTerm, targetsOf } from './reconstructionTask.js';
import type { ReconstructionOptions } from './reconstructionTask.js';

/**
 * The task with the term `recon`, the modules `fusion` and `decoders`, and the figures `reconInside` and, where g shows pixels from
 * outside the photo, `reconOutside`; `reconOverUninformed`, the error inside over that of one grey everywhere; where the base hides patches from the task, `reconMasked` and `reconUnmasked` (mean squared error per
 * pixel of each region, whatever the loss counts).
 */
export function reconstruction(options: ReconstructionOptions, rng: Generator): PairTask {
  const task = createTask(options, rng);
  const { transformation, intermediates, fill, sharedCrop } = options;
  return {
    term: 'recon',
    transformed: { transformation, intermediates, fill, sharedCrop },
    // The mean is over the pixels of a batch that count, of which the next one has another number.
    batchDependent: options.maskOutside && options.reduction === 'mean' ? ['recon without its outside'] : [],
    modules: { fusion: task.fusion, decoders: task.decoders },
    uninformed: 'raise recon.lambda, or decoder.lrMult',

    loss(features, batch, ctx) {
      const decoded = decode(task, features, ctx); // one [B, 3, S, S] per target
      const targets = targetsOf(batch, options);
      const hidden = hiddenPatches(batch, options);
      const errors = errorByRegion(decoded, targets.wanted, targets.valid);
      return {
        term: reconstructionTerm(decoded, targets, options),
        figures: {
          ...errors,
          reconOverUninformed: errors.reconInside.div(uninformedError(targets.wanted, targets.valid).clampMin(1e-12)),
          ...(hidden && errorByMask(decoded, targets.wanted, hidden)),
        },
      };
    },

    inspect: (base, features, batch, ctx) => inspectReconstruction(task, base, features, batch, ctx),
  };
}
