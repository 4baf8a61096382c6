/**
 * What tells whether self-distillation goes well: two numbers of a step's class-token targets.
 *
 * M rows, K prototypes.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';

/**
 * `teacherEntropy`: mean entropy of the teacher's probabilities over its largest, ln K; f32 [] in [0, 1]. It falls to 0 where one
 * prototype takes all, and stays near 1 where the teacher says nothing.
 * `usedPrototypes`: prototypes that are the likeliest of a row at least, f32 [] in [1, min(M, K)].
 * @param targets f32 [M, K]
 */
export function targetFigures(targets: Tensor): { readonly teacherEntropy: Tensor; readonly usedPrototypes: Tensor } {
  return torch.scope(() =>
    torch.noGrad(() => {
      const [, numPrototypes = 0] = targets.shape;
      const entropy = targets.mul(targets.clampMin(1e-30).log()).sum([-1]).mean().neg();
      const likeliest = targets.argmax(-1); // [M]
      return {
        teacherEntropy: entropy.div(Math.log(numPrototypes)),
        usedPrototypes: torch.zeros([numPrototypes], { device: likeliest.device }).indexFill(0, likeliest, 1).sum(),
      };
    }),
  );
}
