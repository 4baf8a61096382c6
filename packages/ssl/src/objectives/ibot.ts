/**
 * iBOT: DINO on the class token, and the same on patches that the student does not see.
 * Source: Zhou et al. 2022 (arXiv 2111.07832) and bytedance/ibot main_ibot.py.
 *
 * B images, V views of which 2 are global, N patches, M masked patches of the global views, E width of the bottleneck, K prototypes.
 */
import type { Generator } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { patchPx } from '../config/patchPx.js';
import type { Config } from '../config/schema.js';
import { entryOf } from '../pairs.js';
import { centeredTargets, nextCenter } from './centering.js';
import { targetFigures } from './dinoFigures.js';
import { clsLoss, clsScores, distillation, globalPatchesOf, NUM_GLOBAL } from './dinoNetwork.js';
import type { StudentConfig } from './dinoNetwork.js';
import { teacherTempAt } from './dinoSchedules.js';
import { ibotLoss, maskedPatchesOf } from './ibotLoss.js';
import { planIbotMasks } from './masks/ibotMask.js';
import type { Objective } from './objective.js';
import { overUninformed } from './overUninformed.js';

/** The sections of the configuration that iBOT reads. */
export type IbotConfig = StudentConfig & Pick<Config, 'ibot'>;

/**
 * iBOT as an objective of two global views with hidden patches and any number of local views. Terms: cls, patch. State: clsCenter and
 * patchCenter f32 [1, K]. Throws ConfigError when the split, a view's size or the encoder's shape cannot be.
 */
export function ibot(config: IbotConfig, rng: Generator): Objective {
  const { model, ibot: options } = config;
  const { prototypes, sharedHead, studentTemp, teacherMomentum } = options;
  const patchPrototypes = sharedHead ? prototypes : options.patchPrototypes;
  const head = { ...options, patchPrototypes: sharedHead ? 0 : patchPrototypes };
  const { base, student, teacher, teacherSight } = distillation(
    config,
    { section: 'ibot', hidesPatches: true, teacherMomentum, head },
    rng,
  );

  return {
    ...base,
    planMasks: planIbotMasks(NUM_GLOBAL, model.imagePx / patchPx(model), options.masks),
    weightsAt: () => ({ cls: options.clsWeight, patch: options.patchWeight }),
    numbersAt: (step, totalSteps) => ({
      teacherTemp: teacherTempAt(step, totalSteps, options.teacherTemp),
      patchTeacherTemp: teacherTempAt(step, totalSteps, options.patchTeacherTemp),
    }),
    initialState: () => ({ clsCenter: torch.zeros([1, prototypes]), patchCenter: torch.zeros([1, patchPrototypes]) }),

    forward({ views }, { numbers }, state, ctx) {
      const [clsCenter, patchCenter] = [entryOf(state, 'clsCenter'), entryOf(state, 'patchCenter')];
      const { indices, weights } = maskedPatchesOf(views.slice(0, NUM_GLOBAL));
      const taught = torch.noGrad(() => {
        const sight = teacherSight(views, ctx);
        const heads = teacher.heads(ctx);
        const { patchHead } = heads;
        const embedded = patchHead.embed(globalPatchesOf(sight)); // [2 * B * N, E]
        return {
          features: sight.features,
          cls: clsScores(sight, heads), // [2 * B, K]
          patches: patchHead.score(embedded.indexSelect(0, indices)), // [M, K]
          patchMean: patchHead.score(embedded.mean([0], true)), // [1, K], of all patches: scores are linear in what is embedded
        };
      });
      const targets = centeredTargets(taught.cls, clsCenter, entryOf(numbers, 'teacherTemp')); // [2 * B, K]
      const patchTargets = centeredTargets(taught.patches, patchCenter, entryOf(numbers, 'patchTeacherTemp')); // [M, K]

      const sight = student.see(views, config.split, ctx);
      const heads = student.heads(ctx);
      const { patchHead } = heads;
      const own = clsScores(sight, heads); // [V * B, K]
      const ownPatches = patchHead.score(patchHead.embed(globalPatchesOf(sight).indexSelect(0, indices))); // [M, K]
      const terms = {
        cls: clsLoss(own, targets, views.length, studentTemp),
        patch: ibotLoss(ownPatches, patchTargets, weights, studentTemp),
      };
      return {
        terms,
        figures: {
          clsOverUninformed: overUninformed(terms.cls, Math.log(prototypes)),
          patchOverUninformed: overUninformed(terms.patch, Math.log(patchPrototypes), weights.sum()),
          ...targetFigures(targets),
        },
        state: {
          clsCenter: nextCenter(clsCenter, taught.cls, options.centerMomentum),
          patchCenter: nextCenter(patchCenter, taught.patchMean, options.patchCenterMomentum),
        },
        features: sight.features,
        teacherFeatures: taught.features,
      };
    },
  };
}
