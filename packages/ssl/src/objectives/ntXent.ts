/**
 * NT-Xent, the contrastive loss of SimCLR. Source: Chen et al. 2020 (arXiv 2002.05709), equation 1.
 *
 * B images, E features.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { expectPairs } from './expectShapes.js';

/**
 * Mean over the 2B embeddings of -log( exp(s(z, z+) / T) / sum over the 2B - 1 others of exp(s(z, z') / T) ), where s is the cosine and
 * z+ the same image's embedding in the other view. f32 []; ln(2B - 1) when all embeddings are equal.
 *
 * Every image is a negative of every other: the loss of a batch is not the mean of the losses of its parts.
 * @param x f32 [B, E]
 * @param y f32 [B, E]
 * @param temperature T, above 0
 * @throws ShapeError unless x and y have one shape and B is at least 2
 */
export function ntXentLoss(x: Tensor, y: Tensor, temperature: number): Tensor {
  expectPairs('ntXentLoss', x, y);
  const [batch = 0] = x.shape;
  return torch.scope(() => {
    const z = torch.cat([unit(x), unit(y)]); // [2B, E]
    const logits = z.matmul(z.t()).div(temperature); // [2B, 2B]
    const isSelf = torch.eye(2 * batch, { dtype: 'bool', device: x.device });
    const positive = logits.diagonal(batch).mean(); // s is symmetric: B pairs stand for 2B rows
    return logits.maskedFill(isSelf, -Infinity).logsumexp(1).mean().sub(positive);
  });
}

// The least length that a row is divided by. Source: PyTorch's F.normalize.
const MIN_LENGTH = 1e-12;

/** Rows of length 1; a row of zeros stays one, with a finite gradient. */
function unit(x: Tensor): Tensor {
  return x.div(
    x
      .square()
      .sum([1], true)
      .clamp(MIN_LENGTH ** 2)
      .sqrt(),
  ); // [B, E]
}
