/** The numbers of self-distillation as pure functions of the step. */

/** How a teacher's temperature rises. */
export interface TemperatureOptions {
  /** At the first step, and from the end of the warm-up on. */
  readonly temps: readonly [first: number, final: number];
  /** Share of the run over which it rises. */
  readonly warmupFraction: number;
  /** Values it takes in the warm-up, both ends counted, each for an equal share; 0: another at every step. */
  readonly stairs: number;
}

/**
 * first + (final - first) i / (stairs - 1) on stair i of the warm-up, then `final`.
 * Sources: facebookresearch/dino main_dino.py, which changes it every epoch (a stair is an epoch of the warm-up);
 * facebookresearch/dinov2 train/train.py, which changes it every iteration.
 */
export function teacherTempAt(
  step: number,
  totalSteps: number,
  { temps: [first, final], warmupFraction, stairs }: TemperatureOptions,
): number {
  const warmupSteps = Math.round(warmupFraction * totalSteps);
  if (step >= warmupSteps) return final;
  const numStairs = stairs === 0 ? warmupSteps : stairs;
  const stair = Math.floor((step * numStairs) / warmupSteps);
  return first + ((final - first) * stair) / Math.max(1, numStairs - 1);
}

/** 1 - (1 - first) (1 + cos(pi step / total)) / 2: a teacher that follows ever more slowly. Source: DINO utils.py, cosine_scheduler. */
export function teacherMomentumAt(step: number, totalSteps: number, first: number): number {
  return 1 - 0.5 * (1 - first) * (1 + Math.cos((Math.PI * step) / totalSteps));
}
