/**
 * Sinkhorn-Knopp targets: the teacher's probabilities, made such that a batch uses all prototypes alike.
 * Source: Cuturi 2013 (arXiv 1306.0895); SwAV (arXiv 2006.09882), section 3.1; facebookresearch/dinov2 loss/dino_clstoken_loss.py.
 *
 * M rows, K prototypes.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { expectShapes } from './expectShapes.js';

// Far below every sum that f32 holds beside others: keeps a prototype that no row wants at 0 instead of 0 / 0.
const TINY = 1e-35;

/**
 * Q = diag(b) exp(logits / temp) diag(a), f32 [M, K], with a and b from `iterations` turns of: every prototype's column sums to M / K,
 * every row sums to 1. Rows come last, so they sum to 1 exactly; columns only nearly. Without gradient.
 *
 * The reference scales the matrix in place, twice a turn; here the turns find the factors by matrix-vector products, which read it once.
 * @param logits the teacher's scores [M, K], any float dtype; M may be 0
 * @param temp the teacher's temperature, above 0; 0.04 rising to 0.07 in DINOv2
 * @throws ShapeError unless logits has two axes
 */
export function sinkhorn(logits: Tensor, temp: number, iterations = 3): Tensor {
  expectShapes('sinkhorn', { logits: [logits, 'M K'] });
  return torch.scope(() =>
    torch.noGrad(() => {
      const [numRows = 0, numPrototypes = 0] = logits.shape;
      const scores = (logits.dtype === 'float64' ? logits : logits.to('float32')).div(temp); // [M, K]
      if (numRows === 0) return scores;
      const kernel = scores.sub(scores.amax()).exp(); // one factor for all: the turns take it out again
      let rowScale = torch.ones([numRows], { dtype: scores.dtype, device: scores.device });
      let columnScale = torch.ones([numPrototypes], { dtype: scores.dtype, device: scores.device });
      for (let i = 0; i < iterations; i++) {
        columnScale = kernel
          .t()
          .mv(rowScale)
          .clampMin(TINY)
          .reciprocal()
          .mul(numRows / numPrototypes);
        rowScale = kernel.mv(columnScale).clampMin(TINY).reciprocal();
      }
      return kernel.mul_(columnScale).mul_(rowScale.unsqueeze(1));
    }),
  );
}
