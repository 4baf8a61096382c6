/**
 * KoLeo: features of a batch are pushed away from their nearest neighbour, until they fill the sphere evenly.
 * Source: Sablayrolles et al. 2019 (arXiv 1806.03198), equation 2; facebookresearch/dinov2 loss/koleo_loss.py.
 *
 * B images, D width.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { ShapeError } from '@halfway/torch';

const EPS = 1e-8; // dinov2 koleo_loss.py

export interface KoleoOptions {
  /** Adds 1e-8 to every element of the difference too, as the code behind DINOv2's runs does. The paper has the distance alone. */
  readonly shiftsDifference: boolean;
}

/**
 * -1/B sum_i log(min over j != i of ||x_i - x_j|| + 1e-8) with x the L2-normalised rows, f32 []. Its gradient reaches a row and its
 * neighbour.
 * @param features [B, D], any float dtype
 * @throws ShapeError unless features has two axes and B is at least 2
 */
export function koleoLoss(features: Tensor, { shiftsDifference }: KoleoOptions): Tensor {
  const [batch = 0] = features.shape;
  if (features.rank !== 2 || batch < 2) {
    const got = `[${features.shape.join(', ')}]`;
    throw new ShapeError(
      `koleoLoss: must have [B, D] with B at least 2, since a row needs a neighbour, got ${got}; give two images or more`,
    );
  }
  const wide = features.dtype === 'float64' ? features : features.to('float32');
  const x = wide.div(wide.linalgVectorNorm(2, [1], true).clampMin(EPS)); // [B, D]
  const nearest = torch.noGrad(() => {
    const itself = torch.eye(batch, { dtype: x.dtype, device: x.device }).mul(2); // 1 - 2 = -1: no row is nearer to itself than to its opposite
    return x.matmul(x.t()).sub(itself).argmax(1); // [B]
  });
  const difference = x.sub(x.indexSelect(0, nearest));
  const distance = (shiftsDifference ? difference.add(EPS) : difference).linalgVectorNorm(2, [1]); // [B]
  return distance.add(EPS).log().mean().neg();
}
