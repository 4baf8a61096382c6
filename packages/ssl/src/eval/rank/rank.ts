/**
 * How many directions frozen features use: the effective rank over photos. It needs no classes.
 * Source: Roy and Vetterli 2007, "The effective rank"; as a figure of self-supervised features Garrido et al. 2023 (RankMe, arXiv
 * 2210.02885), who do not centre them.
 *
 * n photos, D features, G groups of photos.
 */
import { noGrad, scope, stack, type Tensor } from '@halfway/torch';
import { rankOfSpectrum } from '../../models/health.js';
import type { RankReport } from '../../protocol/report.js';
import { jackknifeInterval, NUM_JACKKNIFE_GROUPS } from '../intervals.js';

/** A report with the pseudo-values of its jackknife, for paired comparisons. */
export interface RankResult extends RankReport {
  readonly pseudoValues: readonly number[];
}

/** What the covariance of some photos is made of, and of all but some by subtraction: f64 X^T X [D, D], the sum of rows [D], their number. */
interface Moments {
  readonly products: Tensor;
  readonly sum: Tensor;
  readonly count: number;
}

/**
 * The effective rank of f32 [n, D], n at least 20. Pseudo-values G r - (G - 1) r_j, r_j the rank without the photos of group j; photo i is
 * in group i modulo G. Singular values are roots of eigenvalues of the scatter matrix in f64, so that each photo is read once. With few
 * photos the rank is too low: it is below n and below D.
 */
export function rank(features: Tensor): RankResult {
  const [numPhotos = 0, featureDim = 0] = features.shape;
  const [whole = NaN, ...without] = noGrad(() => scope(() => ranksOf(features)));
  const pseudoValues = without.map((r) => NUM_JACKKNIFE_GROUPS * whole - (NUM_JACKKNIFE_GROUPS - 1) * r);
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

/** The rank of all photos, then that without each group. */
function ranksOf(features: Tensor): number[] {
  const center = features.mean([0], true, { dtype: 'float64' }); // [1, D]; equal rows become exactly 0
  const groups = Array.from({ length: NUM_JACKKNIFE_GROUPS }, (_, group) => {
    const rows = features.slice(0, group, undefined, NUM_JACKKNIFE_GROUPS).to('float64').sub(center);
    return { products: rows.t().matmul(rows), sum: rows.sum([0]), count: rows.shape[0] ?? 0 };
  });
  const all = groups.reduce(plus);
  const scatters = stack([all, ...groups.map((group) => minus(all, group))].map(scatterOf)); // [1 + G, D, D]
  const singular = scatters.linalgEigvalsh().clamp(0).sqrt(); // [1 + G, D]
  return singular.unbind(0).map((values) => rankOfSpectrum(values).item());
}

function plus(a: Moments, b: Moments): Moments {
  return { products: a.products.add(b.products), sum: a.sum.add(b.sum), count: a.count + b.count };
}

function minus(a: Moments, b: Moments): Moments {
  return { products: a.products.sub(b.products), sum: a.sum.sub(b.sum), count: a.count - b.count };
}

/** sum of (x - mean)(x - mean)^T, [D, D]. */
function scatterOf({ products, sum, count }: Moments): Tensor {
  return products.sub(sum.outer(sum).div(count));
}
