/** A run in the few numbers that scripts read. */
import type { MetricRow } from '../protocol/metrics.js';
import type { InitEnd, InitReport } from '../protocol/init.js';
import type { InitSummary, PretrainSummary } from '../protocol/run.js';

// Keys of a row that say how fast it went, not what was learned.
const PACE_KEYS = new Set(['step', 'lr', 'lrEncoder', 'imagesPerSecond', 'dataWaitMs', 'stepMs', 'gradNorm']);

/** Seconds are those spent in steps; `final` has the loss, every term and every figure of the last row. */
export function summarize(
  run: { readonly path: string; readonly steps: number; readonly parameters: number; readonly imagesPerStep: number },
  rows: readonly MetricRow[],
  init?: InitReport,
): PretrainSummary {
  const { path, steps, parameters, imagesPerStep } = run;
  const seconds = rows.reduce((sum, row, i) => sum + (row.stepMs * (row.step - (rows[i - 1]?.step ?? 0))) / 1000, 0);
  const final = Object.entries(rows.at(-1) ?? {}).filter(([key]) => !PACE_KEYS.has(key));
  return {
    run: path,
    steps,
    seconds,
    imagesPerSecond: seconds > 0 ? (steps * imagesPerStep) / seconds : 0,
    parameters,
    final: Object.fromEntries(final),
    ...(init?.end !== undefined && { init: summarizeInit(init, init.end) }),
  };
}

function summarizeInit(
  { weights, before }: InitReport,
  { after, difference, interval, sentence }: InitEnd,
): InitSummary {
  const { kind } = before;
  return { ...weights, figure: kind, before: before.value, after: after.value, difference, interval, sentence };
}
