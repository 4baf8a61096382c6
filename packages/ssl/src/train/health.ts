/**
 * Is the training healthy? Cheap figures at every log, and alarms that say what to change. Feature figures are those of
 * the first view's pooled invariant features.
 */
import { scope, type Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { effectiveRank, featureStd } from '../models/health.js';
import type { MetricRow } from '../protocol/metrics.js';

// A healthy run of any objective here lies far above these; see docs/log.md for the figures of whole runs.
const COLLAPSED_STD = 0.02;
const COLLAPSED_RANK_SHARE = 0.02;
const SWAP_MARGIN = 1.02;
const LONG_WAIT_SHARE = 0.3;

export interface HealthFigures {
  readonly featureStd: number; // 1 for features spread evenly over the sphere, 0 when all are equal
  readonly effectiveRank: number;
}

/** Health of pooled features f32 [B, D]; one read. */
export function healthFigures(pooled: Tensor): HealthFigures {
  return scope(() => ({ featureStd: featureStd(pooled).item(), effectiveRank: effectiveRank(pooled).item() }));
}

/** What a person should hear, once a run: the kind makes it one alarm whatever its numbers are. */
type AlarmKind = 'collapse' | 'rank' | 'dataWait' | 'ignoresFirstView';

/** What a person should hear about a run; each kind of alarm at most once. */
export class Alarms {
  readonly #raised = new Set<AlarmKind>();

  /** Alarms of a logged row. Nothing is said during the first tenth: features start nearly equal. */
  ofRow(row: MetricRow, { steps, batch }: Pick<Config['train'], 'steps' | 'batch'>): string[] {
    if (row.step < steps / 10) return [];
    const { featureStd: std = NaN, effectiveRank: rank = NaN } = row;
    return [
      ...this.#raiseIf(
        std < COLLAPSED_STD,
        'collapse',
        `the features of all photos are nearly the same (std ${std.toFixed(4)}): raise the weight of what keeps them apart (vicreg.variance), or lower optim.lr`,
      ),
      ...this.#raiseIf(
        rank < Math.max(1.5, COLLAPSED_RANK_SHARE * batch),
        'rank',
        `the features lie on few directions (effective rank ${rank.toFixed(1)}): raise vicreg.covariance, or train.batch`,
      ),
      ...this.#raiseIf(
        row.dataWaitMs > LONG_WAIT_SHARE * row.stepMs,
        'dataWait',
        `${Math.round((100 * row.dataWaitMs) / row.stepMs)} % of the time is waiting for photos: raise data.decodeProcesses or data.cacheMB`,
      ),
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
