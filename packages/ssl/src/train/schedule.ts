/** The numbers of a step as pure functions of the step. Nothing downstream reads the configuration or a clock. */
import { peakLr } from '../config/peakLr.js';
import type { Config } from '../config/schema.js';
import type { Objective, ObjectiveParams } from '../objectives/objective.js';

/** Numbers of one step, computed before it begins. */
export interface StepParams extends ObjectiveParams {
  readonly step: number;
  readonly lr: number;
  /** That of the heads' last layers; 0 while they are held still. */
  readonly lastLayerLr: number;
  /** That of the encoder, where it started from weights; 0 while it is held still. */
  readonly encoderLr: number;
  /** The last layers' gradients are dropped: the optimizer's state of them does not move either. */
  readonly dropsLastLayerGradient: boolean;
  readonly weightDecay: number;
  readonly clipNorm: number; // 0: no clip
  /** Batches of the step, the mean of whose gradients it takes. */
  readonly numBatches: number;
  /** Weight of each term; a term without an entry is an internal error. */
  readonly weights: Readonly<Record<string, number>>;
  /** m in teacher = m teacher + (1 - m) student after the step; 1 without a teacher. */
  readonly teacherMomentum: number;
}

/**
 * Linear from 0 to `base` over `warmupSteps`, then cosine to `final`:
 *   base i / (warmup - 1) for i < warmup;  final + (base - final) (1 + cos(pi (i - warmup) / (total - warmup))) / 2 after.
 * Source: DINO utils.py, cosine_scheduler.
 */
export function warmupCosine(
  step: number,
  { base, final, total, warmup }: { base: number; final: number; total: number; warmup: number },
): number {
  if (step < warmup) return warmup === 1 ? 0 : (base * step) / (warmup - 1);
  const progress = (step - warmup) / Math.max(1, total - warmup);
  return final + 0.5 * (base - final) * (1 + Math.cos(Math.PI * progress));
}

/** Steps with a rising learning rate; a share of the run, so that another length keeps its shape. */
export function warmupSteps({ optim, train }: Config): number {
  return Math.round(optim.warmupFraction * train.steps);
}

/**
 * Steps over which an encoder that started from weights is held still: what is new reads it badly at first, and would send it gradients
 * that undo what it knows.
 */
export function headWarmupSteps({ init, train }: Config): number {
  return init.file === undefined ? 0 : Math.round(init.headWarmupFraction * train.steps);
}

/** Everything that step `step` (0-based) is told. */
export function stepParams(step: number, config: Config, objective: Objective): StepParams {
  const { optim, train } = config;
  const { steps: total } = train;
  const lr = lrAt(step, config);
  const { weightDecay, weightDecayEnd = weightDecay } = optim;
  const holdsLastLayer = step < Math.round(optim.freezeLastLayerFraction * total);
  return {
    step,
    lr,
    lastLayerLr: holdsLastLayer && optim.freezeLastLayerBy === 'zero_lr' ? 0 : lr,
    encoderLr: encoderLrAt(step, config),
    dropsLastLayerGradient: holdsLastLayer && optim.freezeLastLayerBy === 'dropping_gradient',
    weightDecay: warmupCosine(step, { base: weightDecay, final: weightDecayEnd, total, warmup: 0 }),
    clipNorm: optim.clipNorm,
    numBatches: optim.accumulate,
    weights: objective.weightsAt(step, total),
    numbers: objective.numbersAt?.(step, total) ?? {},
    teacherMomentum: objective.teacher?.momentumAt(step, total) ?? 1,
  };
}

function lrAt(step: number, config: Config): number {
  const { optim, train } = config;
  return warmupCosine(step, {
    ...{ base: peakLr(config), final: optim.minLr, total: train.steps },
    warmup: warmupSteps(config),
  });
}

/** Of an encoder from weights: 0 while it is held, then `init.lrMult` of the whole schedule, warm-up included, in what is left. */
function encoderLrAt(step: number, config: Config): number {
  const { init, train } = config;
  if (init.file === undefined) return lrAt(step, config);
  const held = headWarmupSteps(config);
  if (step < held) return 0;
  return init.lrMult * lrAt(step - held, { ...config, train: { ...train, steps: train.steps - held } });
}
