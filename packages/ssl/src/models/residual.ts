/**
 * The residual sum of a transformer block with stochastic depth (Huang et al. 2016, arXiv 1603.09382): in training a branch is left out
 * for some of the images.
 *
 * B images, T tokens, D width.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { dropPath, type ForwardContext } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';

export interface StochasticDepth {
  /** Share p of the images for which the branch is left out, in [0, 1). */
  readonly rate: number;
  readonly form: Config['model']['dropPathForm'];
}

/**
 * x + branch(x), [B, T, D]; in training with p > 0:
 *
 * - `image`: each image keeps its branch with probability 1 - p, scaled by 1 / (1 - p). Source: timm layers/drop.py, iBOT.
 * - `batch_subset`: the branch is computed for max(1, floor(B (1 - p))) images drawn without replacement and scaled by B over their
 *   number, so that what is left out costs nothing. Source: DINOv2 layers/block.py, which does so whenever crops of two sizes are
 *   trained together, and else only for p > 0.1.
 */
export function addBranch(
  x: Tensor,
  branch: (x: Tensor) => Tensor,
  { rate, form }: StochasticDepth,
  ctx: ForwardContext,
): Tensor {
  if (form === 'batch_subset' && ctx.train && rate > 0) return addToSubset(x, branch, rate, ctx.rng);
  return x.add(dropPath(branch(x), rate, ctx));
}

function addToSubset(x: Tensor, branch: (x: Tensor) => Tensor, rate: number, rng: Generator): Tensor {
  const [batch = 0] = x.shape;
  const numKept = Math.max(1, Math.floor(batch * (1 - rate)));
  const kept = torch.randperm(batch, { generator: rng, device: x.device }).narrow(0, 0, numKept);
  return x.indexAdd(0, kept, branch(x.indexSelect(0, kept)), { alpha: batch / numKept });
}
