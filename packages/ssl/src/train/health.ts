/**
 * Is the training healthy? Cheap figures at every log, and alarms that say what to change. Feature figures are those of
 * the first view's pooled invariant features.
 */
import { scope, type Tensor } from '@halfway/torch';
import { effectiveRank, featureStd } from '../objectives/health.js';
import type { MetricRow } from '../protocol/metrics.js';

// A healthy run of any objective here lies far above these; see docs/log.md for the figures of whole runs.
const COLLAPSED_STD = 0.02;
const COLLAPSED_RANK_SHARE = 0.02;
const SWAP_MARGIN = 1.02;

export interface HealthFigures {
  readonly featureStd: number; // 1 for features spread evenly over the sphere, 0 when all are equal
  readonly effectiveRank: number;
}

/** Health of pooled features f32 [B, D]; one read. */
export function healthFigures(pooled: Tensor): HealthFigures {
  return scope(() => ({ featureStd: featureStd(pooled).item(), effectiveRank: effectiveRank(pooled).item() }));
}

/** What a person should hear about a row of metrics; each text at most once a run. */
export class Alarms {
  readonly #raised = new Set<string>();

  /** Alarms of a logged row. Nothing is said during the first tenth: features start nearly equal. */
  ofRow(row: MetricRow, totalSteps: number, batch: number): string[] {
    if (row.step < totalSteps / 10) return [];
    const { featureStd: std = NaN, effectiveRank: rank = NaN } = row;
    return this.#onlyNew([
      ...(std < COLLAPSED_STD
        ? [
            `the features of all photos are nearly the same (std ${std.toFixed(4)}): raise the weight of what keeps them apart (vicreg.variance), or lower optim.lr`,
          ]
        : []),
      ...(rank < Math.max(1.5, COLLAPSED_RANK_SHARE * batch)
        ? [
            `the features lie on few directions (effective rank ${rank.toFixed(1)}): raise vicreg.covariance, or train.batch`,
          ]
        : []),
      ...(row.dataWaitMs > 0.3 * row.stepMs
        ? [
            `${Math.round((100 * row.dataWaitMs) / row.stepMs)} % of the time is waiting for photos: raise data.decodeProcesses or data.cacheMB`,
          ]
        : []),
    ]);
  }

  /** Alarms of an inspection: whether the decoder needs the first view at all. */
  ofInspection(figures: Readonly<Record<string, number>>, step: number, totalSteps: number): string[] {
    const { reconSame, reconSwapped } = figures;
    if (reconSame === undefined || reconSwapped === undefined || step < totalSteps / 2) return [];
    if (reconSwapped > reconSame * SWAP_MARGIN) return [];
    return this.#onlyNew([
      `the decoder ignores the first view: with another photo's features in its place the error is ${reconSwapped.toFixed(4)}, with its own ${reconSame.toFixed(4)}; more steps, or a larger recon.lambda, may change that`,
    ]);
  }

  #onlyNew(texts: readonly string[]): string[] {
    return texts.filter((text) => {
      const kind = text.slice(0, 30);
      if (this.#raised.has(kind)) return false;
      this.#raised.add(kind);
      return true;
    });
  }
}
