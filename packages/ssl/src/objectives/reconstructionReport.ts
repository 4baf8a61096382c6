/**
 * Once in a while: does the decoder use what the method wants it to use, and what does it paint.
 *
 * B images, S pixels a side.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import type { ForwardContext } from '@halfway/torch/nn';
import type { DeviceBatch } from '../data/batch.js';
import { zip } from '../pairs.js';
import { validRegion } from '../transforms/path.js';
import type { Inspection } from './objective.js';
import { reconstructionLoss } from './reconstructionLoss.js';
import { decode, reconstructionTerm, targetsOf } from './reconstructionTask.js';
import type { ReconstructionOptions, ReconstructionTask, Targets } from './reconstructionTask.js';
import type { SplitTokens } from './split.js';
import { fromTargetSpace, toTargetSpace } from './targetSpace.js';
import { pathOf } from './transformedPair.js';

/**
 * The base's inspection with the task's figures and columns added. Figures, all reduced as the term `recon` is:
 * - `reconSame`: the term itself on this batch;
 * - `reconSwapped`: with v1's equivariant part taken from another image. If it is not higher, the decoder ignores v1;
 * - `reconCopy`: what a decoder that returns v2 unchanged would score;
 * - `reconBlind`: `blindError`.
 * Columns: v1, u, the targets, what was decoded, v2, the error.
 */
export function inspectReconstruction(
  task: ReconstructionTask,
  base: Inspection,
  features: readonly [SplitTokens, SplitTokens],
  batch: DeviceBatch,
  ctx: ForwardContext,
): Inspection {
  const { options } = task;
  const { space, patchPx } = options;
  const { view, path } = pathOf(batch);
  const targets = targetsOf(batch, options);
  const term = (decoded: readonly Tensor[]): Tensor => reconstructionTerm(decoded, targets, options);

  const decoded = decode(task, features, ctx);
  const swapped = decode(task, [withOtherImages(features[0]), features[1]], ctx);
  const copied = targets.rgb.map(() => toTargetSpace(view.images, space, patchPx));
  const painted = zip(decoded, targets.rgb).map(([image, target]) => fromTargetSpace(image, target, space, patchPx));
  return {
    ...base,
    figures: {
      ...base.figures,
      reconSame: term(decoded),
      reconSwapped: term(swapped),
      reconCopy: term(copied),
      reconBlind: blindError(batch, targets, options),
    },
    columns: [
      ...base.columns.slice(0, 1), // v1
      { title: 'u', images: path.start },
      ...zip(targets.titles, targets.rgb).map(([title, images]) => ({ title, images })),
      ...zip(targets.titles, painted).map(([title, images]) => ({ title: `${title} decoded`, images })),
      ...base.columns.slice(1), // v2
      { title: 'error', images: heatMap(painted, targets.rgb) },
    ],
  };
}

/** Every image gets its neighbour's equivariant part. */
function withOtherImages(tokens: SplitTokens): SplitTokens {
  const { cls, patches } = tokens.equivariant;
  return { invariant: tokens.invariant, equivariant: { cls: cls.roll([1], [0]), patches: patches.roll([1], [0]) } };
}

/**
 * The least error of any predictor that knows u but not theta, 1/K sum_k E Var_theta(g_{theta_k}(u)): a decoder below it
 * has read theta. Estimated without bias from pairs of independent draws, Var = E |g_a(u) - g_b(u)|^2 / 2, where b is
 * another image's theta. With content fill u is known on its own square only, so that pixels which g_b takes from
 * outside it are left out; with `maskOutside` those that either takes from outside, so that it is near that least error where a pixel
 * counts in some of the states. With `transform.stage: after_crop` the states are photometric views of g_{theta_k}(u), which g does not give
 * again from that of u exactly: the figure is then near that least error, not a bound.
 */
function blindError(batch: DeviceBatch, targets: Targets, options: ReconstructionOptions): Tensor {
  const { transformation, fill, maskOutside, space, patchPx, reduction, intermediates } = options;
  const { path } = pathOf(batch);
  const [, channels = 3, sidePx = 0] = path.start.shape;
  const others = targets.wanted.map((_, k) =>
    transformation.at(path.theta.roll([1], [0]), (k + 1) / (intermediates + 1)),
  ); // [B, P]
  const images = others.map((theta) => transformation.apply(path.start, theta, fill === 'content' ? 'zeros' : fill));
  const blind = images.map((image) => toTargetSpace(image, space, patchPx));
  const leavesOut = transformation.geometric && (fill === 'content' || maskOutside);
  if (!leavesOut) return reconstructionTerm(blind, targets, options).div(2);
  const known = others.map((theta, k) => {
    const region = validRegion(transformation, theta, path.start, sidePx);
    return targets.valid?.[k]?.mul(region) ?? region;
  });
  const error = reconstructionLoss(blind, targets.wanted, { reduction: 'mean', valid: known }).div(2);
  if (reduction === 'mean') return error;
  // As large where nothing is known, over the pixels of an image that the term counts.
  const countedShare = targets.valid ? torch.cat([...targets.valid]).mean() : 1;
  return error.mul(channels * sidePx * sidePx).mul(countedShare);
}

/** Mean absolute error in RGB over channels and targets, black - red - yellow - white; white is half a pixel's range. */
function heatMap(painted: readonly Tensor[], targets: readonly Tensor[]): Tensor {
  const errors = zip(painted, targets).map(([image, target]) => image.sub(target).abs().mean([1], true)); // [B, 1, S, S]
  const heat = torch.cat(errors, 1).mean([1], true).mul(6); // three colours over half the range
  return torch.cat([heat, heat.sub(1), heat.sub(2)], 1).clamp(0, 1); // [B, 3, S, S]
}
