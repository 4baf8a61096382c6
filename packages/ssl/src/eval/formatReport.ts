/** An evaluation report as text for a terminal: one block a task, the protocol under each number. */
import {
  R2_PARAMETERS,
  type EvalReport,
  type Interval,
  type R2Parameter,
  type TaskReports,
} from '../protocol/report.js';

/** The report in plain text, no colour, at most about 110 columns but for the protocols. */
export function formatReport(report: EvalReport): string {
  const { train, test, numTrain, numTest } = report.data;
  const lines = [
    `${report.source}, features: ${report.features}`,
    `train: ${numTrain} photos (${train})`,
    `test: ${numTest} photos (${test})`,
    ...r2Block(report.tasks, report.baseline),
    ...top1Block('k-NN', report.tasks.knn, report.baseline?.knn),
    ...top1Block('linear', report.tasks.linear, report.baseline?.linear),
    '',
    `${report.seconds.toFixed(0)} s: ${Object.entries(report.timings)
      .map(([part, seconds]) => `${part} ${seconds.toFixed(1)}`)
      .join(', ')}`,
  ];
  return lines.join('\n');
}

function r2Block(tasks: TaskReports, baseline: TaskReports | undefined): string[] {
  const { r2 } = tasks;
  if (r2 === undefined) return [];
  const untrained = baseline?.r2;
  const row = (name: string, ...columns: readonly string[]): string =>
    [name.padEnd(12), ...columns.map((column) => column.padEnd(21))].join(' ').trimEnd();
  const beside = untrained === undefined ? [] : ['untrained, inside', 'untrained, zeros', 'gain inside'];
  const rows = [...R2_PARAMETERS, 'mean' as const].map((parameter) =>
    row(
      parameter === 'color' ? 'colour' : parameter,
      withInterval(r2.inside[parameter], r2.intervals.inside[parameter], 2),
      withInterval(r2.zeros[parameter], r2.intervals.zeros[parameter], 2),
      ...(untrained === undefined
        ? []
        : [
            untrained.inside[parameter].toFixed(2),
            untrained.zeros[parameter].toFixed(2),
            gainOverUntrained(r2.inside, untrained.inside, parameter).toFixed(2),
          ]),
    ),
  );
  return [
    '',
    'R2 of transformation parameters, 1 = read exactly, 0 = not at all',
    row('', 'inside', 'zero border', ...beside),
    ...rows,
    `protocol: ${r2.protocol}`,
  ];
}

/** (R2 - R2_untrained) / (1 - R2_untrained): the share of what was missing that training brought (recipes G.1b). */
export function gainOverUntrained(
  trained: Readonly<Record<R2Parameter | 'mean', number>>,
  untrained: Readonly<Record<R2Parameter | 'mean', number>>,
  parameter: R2Parameter | 'mean',
): number {
  return (trained[parameter] - untrained[parameter]) / (1 - untrained[parameter]);
}

interface Top1 {
  readonly top1: number;
  readonly interval: Interval;
  readonly protocol: string;
}

function top1Block(name: string, report: Top1 | undefined, untrained: Top1 | undefined): string[] {
  if (report === undefined) return [];
  const beside = untrained === undefined ? '' : `, untrained ${untrained.top1.toFixed(1)} %`;
  return [
    '',
    `${name} top-1: ${withInterval(report.top1, report.interval, 1)} %${beside}`,
    `protocol: ${report.protocol}`,
  ];
}

/** `0.51 [0.47, 0.55]` */
function withInterval(value: number, { low, high }: Interval, digits: number): string {
  return `${value.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}
