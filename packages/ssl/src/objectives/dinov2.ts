/**
 * DINOv2's objective: DINO on the class token, iBOT on masked patches, and KoLeo, which spreads the class tokens of a batch.
 * Source: Oquab et al. 2023 (arXiv 2304.07193), section 4, and facebookresearch/dinov2 train/ssl_meta_arch.py.
 *
 * B images, V views of which 2 are global, N patches, M masked patches of the global views, K prototypes.
 */
import type { Generator, Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import { patchPx } from '../config/patchPx.js';
import type { Config } from '../config/schema.js';
import { entryOf } from '../pairs.js';
import { centeredTargets, nextCenter } from './centering.js';
import { targetFigures } from './dinoFigures.js';
import { clsLoss, clsScores, distillation, globalPatchesOf, NUM_GLOBAL } from './dinoNetwork.js';
import type { Heads, Sight, StudentConfig } from './dinoNetwork.js';
import { teacherTempAt } from './dinoSchedules.js';
import { ibotLoss, maskedPatchesOf } from './ibotLoss.js';
import { koleoLoss } from './koleoLoss.js';
import { largestBlock, planDinov2Masks } from './masks/dinov2Masks.js';
import type { Objective, ObjectiveState } from './objective.js';
import { overUninformed } from './overUninformed.js';
import { sinkhorn } from './sinkhorn.js';

/** The sections of the configuration that DINOv2 reads. */
export type Dinov2Config = StudentConfig & Pick<Config, 'dinov2'>;

/** Scores or probabilities of class tokens [V * B, K] (the teacher's: [2 * B, K]) and of masked patches [M, K]. */
interface ClsAndPatches {
  readonly cls: Tensor;
  readonly patches: Tensor;
}

/**
 * DINOv2 as an objective of two global views with hidden patches and any number of local views. Terms: cls, patch, and koleo, the sum of
 * both global views'. State with `centering`: clsCenter and patchCenter f32 [1, K]; none with `sinkhorn`.
 * Throws ConfigError when the split, a view's size or the encoder's shape cannot be.
 */
export function dinov2(config: Dinov2Config, rng: Generator): Objective {
  const { model, dinov2: options } = config;
  const { prototypes, untiedHead, studentTemp, teacherMomentum } = options;
  const head = { ...options, patchPrototypes: 0, normLastLayer: false };
  const patchPrototypes = untiedHead ? options.patchPrototypes : prototypes;
  const ownHead = { ...head, prototypes: patchPrototypes, bottleneckDim: options.patchBottleneckDim };
  const { base, student, teacher, teacherSight } = distillation(
    config,
    { section: 'dinov2', hidesPatches: true, teacherMomentum, head, patchHead: untiedHead ? ownHead : undefined },
    rng,
  );

  return {
    ...base,
    ...(options.targets === 'sinkhorn' && { advice: { ...base.advice, onePrototype: 'lower optim.lr' } }), // it has no centre
    batchDependent: [
      ...base.batchDependent,
      ...(options.koleoWeight > 0 && options.koleoGroup === 0 ? ['koleo'] : []), // groups are whole in every batch
      // A mean over masked patches, of which the next batch has another number.
      options.targets === 'sinkhorn' ? 'sinkhorn' : 'the centre of masked patches',
    ],
    planMasks: planDinov2Masks(NUM_GLOBAL, model.imagePx / patchPx(model), {
      ...options.masks,
      maxArea: largestBlock(model.imagePx, patchPx(model), options.masks.largestBlock),
    }),
    weightsAt: () => ({ cls: options.clsWeight, patch: options.patchWeight, koleo: options.koleoWeight }),
    numbersAt: (step, totalSteps) => ({ teacherTemp: teacherTempAt(step, totalSteps, options.teacherTemp) }),
    initialState: () =>
      options.targets === 'sinkhorn'
        ? {}
        : { clsCenter: torch.zeros([1, prototypes]), patchCenter: torch.zeros([1, patchPrototypes]) },

    forward({ views }, { numbers }, state, ctx) {
      const { indices, weights } = maskedPatchesOf(views.slice(0, NUM_GLOBAL));
      const scoresOf = (sight: Sight, heads: Heads): ClsAndPatches => ({
        cls: clsScores(sight, heads),
        patches: heads.patchHead.score(heads.patchHead.embed(globalPatchesOf(sight).indexSelect(0, indices))),
      });
      const { scores, teacherFeatures } = torch.noGrad(() => {
        const sight = teacherSight(views, ctx);
        return { scores: scoresOf(sight, teacher.heads(ctx)), teacherFeatures: sight.features };
      });
      const targets = targetsOf(scores, state, entryOf(numbers, 'teacherTemp'), options.targets);

      const sight = student.see(views, config.split, ctx);
      const own = scoresOf(sight, student.heads(ctx));
      const terms = {
        cls: clsLoss(own.cls, targets.cls, views.length, studentTemp),
        patch: ibotLoss(own.patches, targets.patches, weights, studentTemp),
        koleo: koleoOf(sight, options),
      };
      return {
        terms,
        figures: {
          clsOverUninformed: overUninformed(terms.cls, Math.log(prototypes)),
          patchOverUninformed: overUninformed(terms.patch, Math.log(patchPrototypes), weights.sum()),
          ...targetFigures(targets.cls),
        },
        state: nextCenters(state, scores, options.centerMomentum),
        features: sight.features,
        teacherFeatures,
      };
    },
  };
}

/**
 * The sum of both global views' KoLeo, each by itself: two views of one photo must not be pushed apart. With groups the mean over them of
 * theirs: the reference looks for neighbours among the photos of one GPU.
 */
function koleoOf({ encoded, features }: Sight, { koleoInput, koleoEps, koleoGroup }: Config['dinov2']): Tensor {
  const tokens =
    koleoInput === 'backbone' ? encoded.map((view) => view.encoderCls) : features.map(({ invariant }) => invariant.cls);
  const losses = tokens.slice(0, NUM_GLOBAL).map((cls) => {
    const groups = koleoGroup === 0 ? [cls] : cls.split(koleoGroup, 0);
    const ofGroups = groups.map((group) => koleoLoss(group, { shiftsDifference: koleoEps === 'as_code' }));
    return ofGroups.reduce((sum, loss) => sum.add(loss)).div(groups.length);
  });
  return losses.reduce((sum, loss) => sum.add(loss));
}

/** The teacher's probabilities; `centering` takes the centres of the steps before, not this one's. */
function targetsOf(
  { cls, patches }: ClsAndPatches,
  state: ObjectiveState,
  temp: number,
  rule: Config['dinov2']['targets'],
): ClsAndPatches {
  switch (rule) {
    case 'centering':
      return {
        cls: centeredTargets(cls, entryOf(state, 'clsCenter'), temp),
        patches: centeredTargets(patches, entryOf(state, 'patchCenter'), temp),
      };
    case 'sinkhorn':
      return { cls: sinkhorn(cls, temp), patches: sinkhorn(patches, temp) };
    default:
      return rule satisfies never;
  }
}

/** The centres a state has, moved towards the means of the class tokens and of the masked patches (iBOT: of all patches). */
function nextCenters(state: ObjectiveState, { cls, patches }: ClsAndPatches, momentum: number): ObjectiveState {
  const { clsCenter, patchCenter } = state;
  return {
    ...(clsCenter && { clsCenter: nextCenter(clsCenter, cls, momentum) }),
    ...(patchCenter && { patchCenter: nextCenter(patchCenter, patches, momentum) }),
  };
}
