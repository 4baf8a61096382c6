/**
 * Several encoders side by side: the table of `npm run quickstart` and of docs/log.md. Pure functions of reports.
 *
 * An arm is one way of making an encoder (untrained, base, task); it may have been run with several seeds.
 */
import {
  BORDERS,
  R2_PARAMETERS,
  type Border,
  type Interval,
  type R2Parameter,
  type TaskReports,
} from '../protocol/report.js';
import { pairedTop1Difference } from './intervals.js';
import type { KnnResult } from './knn/knn.js';

/** One run of one arm. */
export interface ArmRun {
  readonly arm: string;
  readonly seed: number;
  readonly tasks: TaskReports;
  /** k-NN over more photos than the test part, cross-validated. */
  readonly knnAll?: KnnResult;
  readonly seconds?: number; // of training; none for an untrained encoder
  readonly imagesPerSecond?: number; // of training
}

/** One figure of one arm over its seeds. */
export interface ComparisonCell {
  readonly mean: number;
  readonly values: readonly number[]; // one a seed, in the order of the runs
  /** Over test images: the run's interval, or the mean of the runs' intervals; of a gain, where images are paired. */
  readonly interval?: Interval;
}

/** One figure of every arm; an arm that has no such figure has no cell. */
export interface ComparisonRow {
  readonly figure: string; // 'r2.inside.rotation', 'knn.top1', 'seconds', ...
  readonly title: string;
  readonly cells: Readonly<Record<string, ComparisonCell>>; // by arm
  /** By seed where both arms have the seed. */
  readonly gain?: ComparisonCell;
}

/** Names of two arms: the gain is `to` minus `from`. */
export interface GainArms {
  readonly from: string;
  readonly to: string;
}

export interface Comparison {
  readonly arms: readonly { readonly arm: string; readonly seeds: readonly number[] }[];
  readonly rows: readonly ComparisonRow[];
}

/** A value of one run, with its interval where it has one. */
interface Measured {
  readonly value: number;
  readonly interval?: Interval | undefined;
}

/** How a figure is found in a run and written. */
interface Figure {
  readonly figure: string;
  readonly title: string;
  readonly digits: number;
  readonly of: (run: ArmRun) => Measured | undefined;
  readonly hasGain: boolean;
  /** Of the mean gain over all seeds, where the outcome of each image is known. */
  readonly gainIntervalOf?: (pairs: readonly { before: ArmRun; after: ArmRun }[]) => Interval | undefined;
}

const FIGURES: readonly Figure[] = [
  ...BORDERS.flatMap((border) => [...R2_PARAMETERS, 'mean' as const].map((parameter) => r2Figure(parameter, border))),
  ofFeatures('knn.top1', 'k-NN top-1 %', 1, ({ tasks: { knn } }) => measuredTop1(knn)),
  {
    ...ofFeatures('knnAll.top1', 'k-NN top-1 %, all photos', 1, ({ knnAll }) => measuredTop1(knnAll)),
    gainIntervalOf: (pairs) => {
      const known = pairs.flatMap(({ before, after }): [Uint8Array, Uint8Array][] =>
        before.knnAll === undefined || after.knnAll === undefined ? [] : [[before.knnAll.right, after.knnAll.right]],
      );
      return known.length === 0 ? undefined : pairedTop1Difference(known).interval;
    },
  },
  ofFeatures('linear.top1', 'linear top-1 %', 1, ({ tasks: { linear } }) => measuredTop1(linear)),
  ofFeatures('rank.effectiveRank', 'effective rank', 1, ({ tasks: { rank } }) => {
    return rank && { value: rank.effectiveRank, interval: rank.interval };
  }),
  cost('seconds', 'training, seconds', (run) => run.seconds),
  cost('imagesPerSecond', 'training, images/s', (run) => run.imagesPerSecond),
];

/** Arms in the order in which they first appear; rows only for figures that some run has. */
export function compareArms(runs: readonly ArmRun[], gainArms?: GainArms): Comparison {
  return { arms: armsOf(runs), rows: rowsOf(runs, gainArms).map(({ row }) => row) };
}

/** The comparison as a Markdown table, one row a figure, one column an arm, the last column the gain if one is wanted. */
export function comparisonTable(runs: readonly ArmRun[], gainArms?: GainArms): string {
  const [arms, rows] = [armsOf(runs), rowsOf(runs, gainArms)];
  const hasGain = gainArms !== undefined && rows.some(({ row }) => row.gain !== undefined);
  const header = ['', ...arms.map(({ arm, seeds }) => (seeds.length > 1 ? `${arm} (${seeds.length} seeds)` : arm))];
  if (hasGain) header.push(`${gainArms.to} minus ${gainArms.from}`);
  const body = rows.map(({ row, digits }) => {
    const cells = arms.map(({ arm }) => cellText(row.cells[arm], digits));
    return [row.title, ...cells, ...(hasGain ? [gainText(row.gain, digits)] : [])];
  });
  return alignedTable([header, ...body]);
}

function armsOf(runs: readonly ArmRun[]): Comparison['arms'] {
  const names = [...new Set(runs.map(({ arm }) => arm))];
  return names.map((arm) => ({ arm, seeds: runs.filter((run) => run.arm === arm).map(({ seed }) => seed) }));
}

/** The rows, each with the digits that its values are written with. */
function rowsOf(
  runs: readonly ArmRun[],
  gainArms: GainArms | undefined,
): { readonly row: ComparisonRow; readonly digits: number }[] {
  const runsOf = (arm: string): ArmRun[] => runs.filter((run) => run.arm === arm);
  return FIGURES.flatMap((figure) => {
    const cells: Record<string, ComparisonCell> = {};
    for (const { arm } of armsOf(runs)) {
      const cell = cellOf(figure, runsOf(arm));
      if (cell !== undefined) cells[arm] = cell;
    }
    if (Object.keys(cells).length === 0) return [];
    const gain =
      gainArms === undefined || !figure.hasGain
        ? undefined
        : gainOf(figure, runsOf(gainArms.from), runsOf(gainArms.to));
    const row = { figure: figure.figure, title: figure.title, cells, ...(gain === undefined ? {} : { gain }) };
    return [{ row, digits: figure.digits }];
  });
}

function r2Figure(parameter: R2Parameter | 'mean', border: Border): Figure {
  const name = parameter === 'color' ? 'colour' : parameter;
  const title = border === 'inside' ? `R2 ${name}, inside` : `R2 ${name}, zero border`;
  return ofFeatures(`r2.${border}.${parameter}`, title, 2, ({ tasks: { r2 } }) => {
    const value = r2?.[border]?.[parameter];
    return value === undefined ? undefined : { value, interval: r2?.intervals[border]?.[parameter] };
  });
}

function ofFeatures(figure: string, title: string, digits: number, of: Figure['of']): Figure {
  return { figure, title, digits, of, hasGain: true };
}

function measuredTop1(
  report: { readonly top1: number; readonly interval: Interval } | undefined,
): Measured | undefined {
  return report && { value: report.top1, interval: report.interval };
}

function cost(figure: string, title: string, costOf: (run: ArmRun) => number | undefined): Figure {
  const of = (run: ArmRun): Measured | undefined => {
    const value = costOf(run);
    return value === undefined ? undefined : { value };
  };
  return { figure, title, digits: 0, of, hasGain: false };
}

function cellOf(figure: Figure, runs: readonly ArmRun[]): ComparisonCell | undefined {
  const measured = runs.map(figure.of).filter((one) => one !== undefined);
  if (measured.length === 0) return undefined;
  const values = measured.map(({ value }) => value);
  const intervals = measured.map(({ interval }) => interval).filter((interval) => interval !== undefined);
  if (intervals.length === 0) return { mean: meanOf(values), values };
  const interval = { low: meanOf(intervals.map(({ low }) => low)), high: meanOf(intervals.map(({ high }) => high)) };
  return { mean: meanOf(values), values, interval };
}

function gainOf(figure: Figure, before: readonly ArmRun[], after: readonly ArmRun[]): ComparisonCell | undefined {
  const pairs = after.flatMap((run) => {
    const partner = before.find(({ seed }) => seed === run.seed);
    return partner === undefined ? [] : [{ before: partner, after: run }];
  });
  const values = pairs.flatMap((pair) => {
    const [from, to] = [figure.of(pair.before), figure.of(pair.after)];
    return from === undefined || to === undefined ? [] : [to.value - from.value];
  });
  if (values.length === 0) return undefined;
  const interval = figure.gainIntervalOf?.(pairs);
  return { mean: meanOf(values), values, ...(interval === undefined ? {} : { interval }) };
}

/** `0.51 [0.47, 0.55]` for one seed; `0.51 (0.49 to 0.53)` over several, the smallest and the largest of them. */
function cellText(cell: ComparisonCell | undefined, digits: number): string {
  if (cell === undefined) return '';
  const mean = cell.mean.toFixed(digits);
  if (cell.values.length > 1) {
    return `${mean} (${Math.min(...cell.values).toFixed(digits)} to ${Math.max(...cell.values).toFixed(digits)})`;
  }
  if (cell.interval === undefined) return mean;
  return `${mean} [${cell.interval.low.toFixed(digits)}, ${cell.interval.high.toFixed(digits)}]`;
}

function gainText(cell: ComparisonCell | undefined, digits: number): string {
  if (cell === undefined) return '';
  const signed = (value: number): string => `${value < 0 ? '' : '+'}${value.toFixed(digits)}`;
  const { values, interval } = cell;
  const spread = values.length < 2 ? '' : ` (${signed(Math.min(...values))} to ${signed(Math.max(...values))})`;
  const over = interval === undefined ? '' : ` [${signed(interval.low)}, ${signed(interval.high)}]`;
  return `${signed(cell.mean)}${spread}${over}`;
}

/** A Markdown table whose columns line up in a terminal; the first row is the header. */
function alignedTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(3, ...rows.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => (row[column] ?? '').padEnd(width)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  const [header, ...body] = rows.map(line);
  return [header, rule, ...body].join('\n');
}

/** Arithmetic mean. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
