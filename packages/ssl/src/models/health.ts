/**
 * Signs of collapse in a batch of features: two numbers that are cheap enough for every logged step.
 *
 * B images, d features, M = min(B, d).
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';

/**
 * Spread of the directions of the features: mean over d of the standard deviation over the batch of L2-normalised
 * features, times sqrt(d). f32 []: about 1 when directions fill the sphere evenly, 0 when all images have the same one.
 * Source: SimSiam (Chen and He 2021), section 4.1.
 * @param features [B, d], B at least 2
 */
export function featureStd(features: Tensor): Tensor {
  return torch.noGrad(() => {
    const x = features.to('float32');
    const length = x.mul(x).sum([1], true).sqrt().clamp(1e-12); // [B, 1]
    const [, featureDim = 0] = x.shape;
    return x.div(length).std([0]).mean().mul(Math.sqrt(featureDim));
  });
}

/**
 * exp of the entropy of the normalised singular values of the centred features: how many directions they use.
 * f32 [] in [1, M], at most B - 1 (centring takes one), and 0 when all rows are equal.
 * Source: Roy and Vetterli 2007, "The effective rank".
 * @param features [B, d], B at least 2
 */
export function effectiveRank(features: Tensor): Tensor {
  return torch.noGrad(() => {
    const x = features.to('float32');
    return rankOfSpectrum(torch.linalgSvdvals(x.sub(x.mean([0], true))));
  });
}

/** exp of the entropy of singular values [M] over their sum: [] in [1, M], and 0 when all are 0. */
export function rankOfSpectrum(singular: Tensor): Tensor {
  const total = singular.sum();
  const share = singular.div(total.clamp(1e-12)); // [M]
  const entropy = share.mul(share.clamp(1e-12).log()).sum().neg();
  return entropy.exp().mul(total.gt(1e-12));
}
