// Numbers that change over a training, as pure functions of the step (0-based): learning rates, weight decays, momenta. Nothing to save.

/** A linear rise before the schedule proper. */
export interface Warmup {
  /** The base is reached after so many steps. Default 0. */
  readonly warmupSteps?: number;
  /** What step 0 has of the base. Default 0. */
  readonly warmupFactor?: number;
}

/** How `cosineSchedule` falls. */
export interface CosineScheduleOptions extends Warmup {
  readonly base: number;
  readonly final?: number; // 0
  /** From here on it is `final`. */
  readonly totalSteps: number;
}

/** How `polynomialSchedule` falls. */
export interface PolynomialScheduleOptions extends CosineScheduleOptions {
  readonly power?: number; // 1: a straight line
}

/** How `stepSchedule` falls. */
export interface StepScheduleOptions extends Warmup {
  readonly base: number;
  readonly factor?: number; // 0.1
  /** Steps, counted from the start, from which on the factor holds once more. */
  readonly milestones: readonly number[];
}

/**
 * Half a cosine from `base` at the end of the warm-up to `final` at `totalSteps`:
 * final + (base - final) (1 + cos(pi progress)) / 2.
 * @example optimizer.step({ lr: cosineSchedule(step, { base: 1e-3, totalSteps: 10_000, warmupSteps: 500 }) });
 * Source: Loshchilov and Hutter 2017 (arXiv 1608.03983), without restarts; PyTorch's LinearLR, then CosineAnnealingLR.
 */
export function cosineSchedule(step: number, options: CosineScheduleOptions): number {
  return decay('cosineSchedule', step, options, (progress) => (1 + Math.cos(Math.PI * progress)) / 2);
}

/** final + (base - final) (1 - progress)^power, with progress from 0 at the end of the warm-up to 1 at `totalSteps`. */
export function polynomialSchedule(step: number, { power = 1, ...options }: PolynomialScheduleOptions): number {
  return decay('polynomialSchedule', step, options, (progress) => (1 - progress) ** power);
}

/** base factor^k, with the number k of milestones that are reached. Source: PyTorch's MultiStepLR. */
export function stepSchedule(step: number, { base, factor = 0.1, milestones, ...warmup }: StepScheduleOptions): number {
  const reached = milestones.filter((milestone) => milestone <= step).length;
  return warmedUp('stepSchedule', step, base, warmup) ?? base * factor ** reached;
}

function decay(
  where: string,
  step: number,
  { base, final = 0, totalSteps, ...warmup }: CosineScheduleOptions,
  shareOf: (progress: number) => number,
): number {
  const { warmupSteps = 0 } = warmup;
  if (!(totalSteps > warmupSteps)) {
    throw new RangeError(`${where}: totalSteps must be more than warmupSteps, got ${totalSteps} and ${warmupSteps}`);
  }
  const progress = Math.min(1, (step - warmupSteps) / (totalSteps - warmupSteps));
  return warmedUp(where, step, base, warmup) ?? final + (base - final) * shareOf(progress);
}

/** base (f + (1 - f) step / warmupSteps) during the warm-up, undefined after. */
function warmedUp(
  where: string,
  step: number,
  base: number,
  { warmupSteps = 0, warmupFactor = 0 }: Warmup,
): number | undefined {
  if (!(step >= 0 && Number.isFinite(step)))
    throw new RangeError(`${where}: step must be a number from 0, got ${step}`);
  if (step >= warmupSteps) return undefined;
  return base * (warmupFactor + ((1 - warmupFactor) * step) / warmupSteps);
}
