/**
 * How many directions frozen features use: the effective rank over photos. It needs no classes.
 * Source: Roy and Vetterli 2007, "The effective rank"; as a figure of self-supervised features Garrido et al. 2023 (RankMe, arXiv
 * 2210.02885), who do not centre them.
 *
 * n photos, D features, G groups of photos.
 */
import { scope, tensor, type Tensor } from '@halfway/torch';
import { effectiveRank } from '../../models/health.js';
import type { RankReport } from '../../protocol/report.js';
import { jackknifeInterval, NUM_JACKKNIFE_GROUPS } from '../intervals.js';

/** A report with the pseudo-values of its jackknife, for paired comparisons. */
export interface RankResult extends RankReport {
  readonly pseudoValues: readonly number[];
}

/**
 * The effective rank of f32 [n, D], n at least 20. Pseudo-values G r - (G - 1) r_j, r_j the rank without the photos of group j; photo i is
 * in group i modulo G. With few photos it is too low: it is below n and below D.
 */
export function rank(features: Tensor): RankResult {
  const [numPhotos = 0, featureDim = 0] = features.shape;
  const rankWithout = (group?: number): number =>
    scope(() => {
      const kept = Array.from({ length: numPhotos }, (_, photo) => photo).filter(
        (photo) => photo % NUM_JACKKNIFE_GROUPS !== group,
      );
      return effectiveRank(features.indexSelect(0, tensor(Int32Array.from(kept)))).item();
    });
  const whole = rankWithout();
  const pseudoValues = Array.from({ length: NUM_JACKKNIFE_GROUPS }, (_, group) => {
    return NUM_JACKKNIFE_GROUPS * whole - (NUM_JACKKNIFE_GROUPS - 1) * rankWithout(group);
  });
  return {
    effectiveRank: whole,
    featureDim,
    interval: jackknifeInterval(whole, pseudoValues),
    protocol:
      `effective rank (Roy and Vetterli 2007) of the centred features of ${numPhotos} photos; 95 % interval by a jackknife over ` +
      `${NUM_JACKKNIFE_GROUPS} groups of photos`,
    pseudoValues,
  };
}
