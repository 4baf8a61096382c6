/**
 * DINO: self-distillation of the class token. A student says of every view what a teacher, its own mean over the past, says of the
 * other global view. Source: Caron et al. 2021 (arXiv 2104.14294) and facebookresearch/dino main_dino.py.
 *
 * B images, V views of which Q = 2 are global, K prototypes.
 */
import type { Generator } from '@halfway/torch';
import * as torch from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { entryOf } from '../pairs.js';
import { centeredTargets, nextCenter } from './centering.js';
import { targetFigures } from './dinoFigures.js';
import { clsLoss, clsScores, distillation } from './dinoNetwork.js';
import type { StudentConfig } from './dinoNetwork.js';
import { teacherTempAt } from './dinoSchedules.js';
import type { Objective } from './objective.js';
import { overUninformed } from './overUninformed.js';

/** The sections of the configuration that DINO reads. */
export type DinoConfig = StudentConfig & Pick<Config, 'dino'>;

/**
 * DINO as an objective of two global and any number of local views. Term: cls. State: clsCenter f32 [1, K].
 * Throws ConfigError when the split, a view's size or the encoder's shape cannot be.
 */
export function dino(config: DinoConfig, rng: Generator): Objective {
  const { dino: options } = config;
  const { prototypes, studentTemp, teacherMomentum, centerMomentum } = options;
  const head = { ...options, patchPrototypes: 0 };
  const { base, student, teacher, teacherSight } = distillation(
    config,
    { section: 'dino', hidesPatches: false, teacherMomentum, head },
    rng,
  );

  return {
    ...base,
    weightsAt: () => ({ cls: 1 }),
    numbersAt: (step, totalSteps) => ({ teacherTemp: teacherTempAt(step, totalSteps, options.teacherTemp) }),
    initialState: () => ({ clsCenter: torch.zeros([1, prototypes]) }),

    forward({ views }, { numbers }, state, ctx) {
      const center = entryOf(state, 'clsCenter');
      const { scores, teacherFeatures } = torch.noGrad(() => {
        const sight = teacherSight(views, ctx);
        return { scores: clsScores(sight, teacher.heads(ctx)), teacherFeatures: sight.features }; // [2 * B, K]
      });
      const targets = centeredTargets(scores, center, entryOf(numbers, 'teacherTemp')); // [2 * B, K]

      const sight = student.see(views, config.split, ctx);
      const own = clsScores(sight, student.heads(ctx)); // [V * B, K]
      const loss = clsLoss(own, targets, views.length, studentTemp);
      return {
        terms: { cls: loss },
        figures: { clsOverUninformed: overUninformed(loss, Math.log(prototypes)), ...targetFigures(targets) },
        state: { clsCenter: nextCenter(center, scores, centerMomentum) },
        features: sight.features,
        teacherFeatures,
      };
    },
  };
}
