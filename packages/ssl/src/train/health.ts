/**
 * Is the training healthy? Cheap figures at every log, and alarms that say what to change. Feature figures are those of
 * the first view's pooled invariant features.
 */
import * as torch from '@halfway/torch';
import { scope, type Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { splitDims } from '../config/splitDims.js';
import { effectiveRank, featureStd } from '../models/health.js';
import type { Advice } from '../objectives/objective.js';
import type { MetricRow } from '../protocol/metrics.js';
import { warmupSteps } from './schedule.js';

// A healthy run of any objective here lies far above these; see docs/log.md for the figures of whole runs.
const COLLAPSED_STD = 0.02;
const COLLAPSED_RANK_SHARE = 0.02; // of the largest, which is the lesser of the batch and the features
const SWAP_MARGIN = 1.02;
const LONG_WAIT_SHARE = 0.3;

// Before, a teacher's answers are nearly uniform in every run: its centre follows a network that still changes fast. The slowest run that
// learned, small/dinov2 with a LayerScale of 1e-5, passed the bounds below at step 1,400 to 1,600 of 5,000 (warm-up: 500); small/dino, ibot and
// dinov2 as they are do by 1,000. Runs with a temperature that rose to 0.07, which taught next to nothing (docs/log.md), had 0.97 to 0.99 of
// ln K and entropies of 0.95 to 0.99 to their ends. Tasks are faster: at a fifth of its weight small/ibot-rot's reconstruction is at 0.3 of one grey's
// by step 480, and small/vicreg-rot-augself, at the smallest weight of its grid, knows 0.14 of theta's variance by step 1,000 (0.03 by 700).
const SETTLED_STEPS = 1000;
const SETTLED_WARMUPS = 4;
const UNINFORMED_SHARE = 0.97;
const UNIFORM_ENTROPY = 0.95;
const ONE_PROTOTYPE = 1.5; // a mean of whole numbers, of which 1 is the least

/** Advice where an objective has none. */
const LESS = 'lower optim.lr';

export interface HealthFigures {
  readonly featureStd: number; // 1 for features spread evenly over the sphere, 0 when all are equal
  readonly effectiveRank: number;
}

/** Health of pooled features f32 [B, D]; one read. */
export function healthFigures(pooled: Tensor): HealthFigures {
  return scope(() => {
    const [std = NaN, rank = NaN] = torch.stack([featureStd(pooled), effectiveRank(pooled)]).toArray() as number[];
    return { featureStd: std, effectiveRank: rank };
  });
}

/** What an alarm is of: the kind makes it one whatever its numbers are. */
type AlarmKind =
  'collapse' | 'rank' | 'dataWait' | 'ignoresFirstView' | 'uniformTargets' | 'onePrototype' | `${string}OverUninformed`;

/** What a person should hear about a run; each kind of alarm at most once until the run is stopped. */
export class Alarms {
  readonly #raised = new Set<AlarmKind>();

  /**
   * Alarms of a logged row. Nothing is said during the first tenth, when features are nearly equal anyway, and of what is learned nothing
   * before the run has had time to learn.
   * @param advice of the objective
   */
  ofRow(row: MetricRow, config: Config, advice: Partial<Advice>): string[] {
    const { steps, batch } = config.train;
    if (row.step < steps / 10) return [];
    const { featureStd: std = NaN, effectiveRank: rank = NaN } = row;
    const { sameFeatures = LESS, fewDirections = LESS } = advice;
    return [
      ...this.#raiseIf(
        std < COLLAPSED_STD,
        'collapse',
        `the features of all photos are nearly the same (std ${std.toFixed(4)}): ${sameFeatures}`,
      ),
      ...this.#raiseIf(
        rank < Math.max(1.5, COLLAPSED_RANK_SHARE * Math.min(batch, splitDims(config).invariantDim)),
        'rank',
        `the features lie on few directions (effective rank ${rank.toFixed(1)}): ${fewDirections}`,
      ),
      ...(row.step < Math.max(SETTLED_STEPS, SETTLED_WARMUPS * warmupSteps(config))
        ? []
        : this.#ofLearning(row, advice)),
      ...this.#raiseIf(
        row.dataWaitMs > LONG_WAIT_SHARE * row.stepMs,
        'dataWait',
        `${Math.round((100 * row.dataWaitMs) / row.stepMs)} % of the time is waiting for photos: raise data.decodeProcesses or data.cacheMB`,
      ),
    ];
  }

  /** Whether a teacher says something, and the student learns it. Uniform answers alone say that the loss is uninformed too. */
  #ofLearning(row: MetricRow, advice: Partial<Advice>): string[] {
    const { teacherEntropy: entropy = NaN, usedPrototypes: used = NaN } = row;
    const { uniformTargets = LESS, onePrototype = LESS, uninformed = {} } = advice;
    if (entropy > UNIFORM_ENTROPY) {
      return this.#raiseIf(
        true,
        'uniformTargets',
        `the teacher's answers are nearly the same for all prototypes (entropy ${entropy.toFixed(3)} of the largest), so that there is nothing to learn: ${uniformTargets}`,
      );
    }
    const losses = Object.entries(row).filter((entry): entry is [`${string}OverUninformed`, number] =>
      entry[0].endsWith('OverUninformed'),
    );
    return [
      ...this.#raiseIf(
        used < ONE_PROTOTYPE,
        'onePrototype',
        `the teacher gives all photos of a batch to the same prototype (${used.toFixed(1)} used): ${onePrototype}`,
      ),
      ...losses.flatMap(([name, share]) => {
        const term = name.replace('OverUninformed', '');
        const text = `the term ${term} is ${share.toFixed(3)} of what it is when nothing is known: ${uninformed[term] ?? LESS}`;
        return this.#raiseIf(share >= UNINFORMED_SHARE, name, text);
      }),
    ];
  }

  /** Alarms of an inspection in the second half of a run: whether the decoder needs the first view at all. */
  ofInspection(figures: Readonly<Record<string, number>>, step: number, totalSteps: number): string[] {
    const { reconSame, reconSwapped } = figures;
    if (reconSame === undefined || reconSwapped === undefined || step < totalSteps / 2) return [];
    return this.#raiseIf(
      reconSwapped <= reconSame * SWAP_MARGIN,
      'ignoresFirstView',
      `the decoder ignores the first view: with another photo's features in its place the error is ${reconSwapped.toFixed(4)}, with its own ${reconSame.toFixed(4)}; more steps, or a larger recon.lambda, may change that`,
    );
  }

  #raiseIf(isSo: boolean, kind: AlarmKind, text: string): string[] {
    if (!isSo || this.#raised.has(kind)) return [];
    this.#raised.add(kind);
    return [text];
  }
}
