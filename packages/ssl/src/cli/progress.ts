/** A training run as its user watches it. */
import type { Config } from '../config/schema.js';
import { splitDims } from '../config/splitDims.js';
import { durationText } from '../duration.js';
import type { MetricRow } from '../protocol/metrics.js';
import type { PretrainProgress } from '../train/pretrainOptions.js';
import { barText, say, showLive } from './output.js';

const PLAIN_ROW_EVERY_MS = 10_000; // without a terminal

// What a row has beside the loss, the objective's terms and its figures.
const NOT_TERMS = new Set([
  ...['step', 'lr', 'lrEncoder', 'gradNorm', 'imagesPerSecond', 'dataWaitMs', 'stepMs', 'featureStd', 'effectiveRank'],
]);

/** One live line on a terminal; elsewhere a plain line now and then, and always the last. */
export function progressPrinter(config: Config): (progress: PretrainProgress) => void {
  let printedAt = -Infinity;
  return (progress) => {
    switch (progress.kind) {
      case 'header':
        say(progress.text);
        return;
      case 'event':
        if (progress.event.kind !== 'checkpoint') say(`step ${progress.event.step}: ${progress.event.message}`);
        return;
      case 'row': {
        const { row, totalSteps } = progress;
        const text = rowText(row, totalSteps, config);
        showLive(text);
        const now = performance.now();
        const isDue = now - printedAt >= PLAIN_ROW_EVERY_MS || row.step === totalSteps;
        if (process.stderr.isTTY || !isDue) return;
        printedAt = now;
        say(text);
        return;
      }
      default:
        progress satisfies never;
    }
  };
}

/** Bar, time left, speed, data wait, terms and rank: one line, what matters first where a terminal is narrow. */
export function rowText(row: MetricRow, totalSteps: number, config: Pick<Config, 'model' | 'split'>): string {
  const left = (row.stepMs * (totalSteps - row.step)) / 1000;
  const terms = Object.entries(row).filter(([name]) => !NOT_TERMS.has(name));
  return [
    `${barText(row.step / totalSteps)} ${row.step}/${totalSteps}`,
    `${durationText(left)} left`,
    `${row.imagesPerSecond.toFixed(0)} images/s`,
    `wait ${row.dataWaitMs.toFixed(0)} of ${row.stepMs.toFixed(0)} ms`,
    ...terms.map(([name, value]) => `${name} ${value.toFixed(3)}`),
    `rank ${row['effectiveRank']?.toFixed(1) ?? ''} of ${splitDims(config).invariantDim}`,
  ].join('  ');
}
