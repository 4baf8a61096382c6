/** An evaluation report as text for a terminal: one block a task, the protocol under each number. */
import {
  BORDERS,
  R2_PARAMETERS,
  type EvalReport,
  type Interval,
  type R2Parameter,
  type R2Report,
  type RankReport,
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
    ...rankBlock(report.tasks.rank, report.baseline?.rank),
    '',
    `${report.seconds.toFixed(0)} s: ${Object.entries(report.timings)
      .map(([part, seconds]) => `${part} ${seconds.toFixed(1)}`)
      .join(', ')}`,
  ];
  return lines.join('\n');
}

/** A row for each parameter and two columns for each border that was asked about, with the untrained encoder beside them. */
function r2Block(tasks: TaskReports, baseline: TaskReports | undefined): string[] {
  const { r2 } = tasks;
  if (r2 === undefined) return [];
  const untrained = baseline?.r2;
  const row = (name: string, ...columns: readonly string[]): string =>
    [name.padEnd(12), ...columns.map((column) => column.padEnd(21))].join(' ').trimEnd();
  const columns = columnsOf(r2, untrained);
  const rows = [...R2_PARAMETERS, 'mean' as const].flatMap((parameter) => {
    const cells = columns.map(({ cellOf }) => cellOf(parameter) ?? '');
    return cells.every((cell) => cell === '') ? [] : [row(parameter === 'color' ? 'colour' : parameter, ...cells)];
  });
  return [
    '',
    'R2 of transformation parameters, 1 = read exactly, 0 = not at all',
    row('', ...columns.map(({ title }) => title)),
    ...rows,
    `protocol: ${r2.protocol}`,
  ];
}

interface Column {
  readonly title: string;
  readonly cellOf: (parameter: R2Parameter | 'mean') => string | undefined;
}

function columnsOf(r2: R2Report, untrained: R2Report | undefined): Column[] {
  const borders = BORDERS.filter((border) => r2[border] !== undefined);
  const figures = borders.map((border): Column => ({
    title: border === 'inside' ? 'inside' : 'zero border',
    cellOf: (parameter) => {
      const [value, interval] = [r2[border]?.[parameter], r2.intervals[border]?.[parameter]];
      return value === undefined || interval === undefined ? undefined : withInterval(value, interval, 2);
    },
  }));
  if (untrained === undefined) return figures;
  const beside = borders.map((border): Column => ({
    title: `untrained, ${border}`,
    cellOf: (parameter) => untrained[border]?.[parameter]?.toFixed(2),
  }));
  const gain: Column = {
    title: 'gain inside',
    cellOf: (parameter) => {
      const [value, before] = [r2.inside?.[parameter], untrained.inside?.[parameter]];
      return value === undefined || before === undefined ? undefined : gainOverUntrained(value, before).toFixed(2);
    },
  };
  return [...figures, ...beside, ...(borders.includes('inside') ? [gain] : [])];
}

/** (R2 - R2_untrained) / (1 - R2_untrained): the share of what was missing that training brought. */
export function gainOverUntrained(trained: number, untrained: number): number {
  return (trained - untrained) / (1 - untrained);
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

function rankBlock(report: RankReport | undefined, untrained: RankReport | undefined): string[] {
  if (report === undefined) return [];
  const beside = untrained === undefined ? '' : `, untrained ${untrained.effectiveRank.toFixed(1)}`;
  return [
    '',
    `effective rank: ${withInterval(report.effectiveRank, report.interval, 1)} of ${report.featureDim}${beside}`,
    `protocol: ${report.protocol}`,
  ];
}

/** `0.51 [0.47, 0.55]` */
function withInterval(value: number, { low, high }: Interval, digits: number): string {
  return `${value.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}
