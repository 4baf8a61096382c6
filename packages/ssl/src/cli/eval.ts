import { Command, Option } from 'commander';
import { shippedPhotos } from '../data/sources/shippedPhotos.js';
import { FEATURE_KINDS, type FeatureKind, type TaskReports } from '../protocol/report.js';
import { evaluationChoice, withEvaluationFlags, type EvaluationFlags } from './evaluationFlags.js';
import { deviceOption, runOrWeights, wholeNumber } from './flags.js';
import { noticesAndLive, printResult, say } from './output.js';

interface EvalFlags extends EvaluationFlags {
  readonly data?: string[];
  readonly test?: string[];
  readonly baseline?: 'random';
  readonly step?: number;
  readonly weights?: string;
  readonly features?: FeatureKind;
  readonly device?: 'cpu' | 'cuda';
  readonly json?: boolean;
}

/** `halfway eval` */
export function evalCommand(): Command {
  const command = new Command('eval')
    .description('measure what the features of a run know')
    .argument('[run]', 'a run folder');
  return withEvaluationFlags(command)
    .option('--data <paths...>', 'photos that heads are fitted on (default: the photos that come with the program)')
    .option('--test <paths...>', 'photos that are asked about once (default: 20 % of --data by hash of the id)')
    .addOption(new Option('--baseline <kind>', 'the same for an untrained encoder').choices(['random']))
    .option('--step <n>', "the run's checkpoint of so many steps (default: its newest)", wholeNumber(0))
    .option('--weights <file>', 'an exported backbone.safetensors instead of a run')
    .addOption(
      new Option('--features <kind>', "which features (default: the run's eval.features)").choices(FEATURE_KINDS),
    )
    .addOption(deviceOption('where the encoder runs (default: cpu); heads are fitted on the CPU'))
    .option('--json', 'print the figures as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  halfway eval runs/a --baseline random
  halfway eval runs/a --tasks r2 --features equivariant --data photos --test more-photos
  halfway eval runs/a --tasks r2 --r2-parameters rotation --r2-borders inside --photos 2000 --data photos
  halfway eval runs/a --step 1000 --tasks knn
  halfway eval --weights runs/a/export/backbone.safetensors --tasks knn --data photos

What the numbers mean: docs/evaluation.md.`,
    )
    .action(run);
}

async function run(runDir: string | undefined, flags: EvalFlags): Promise<void> {
  const source = runOrWeights('eval', runDir, flags.weights);
  const choice = evaluationChoice(flags);
  const { evaluate } = await import('../eval/evaluate.js');
  const { formatReport } = await import('../eval/formatReport.js');
  const own = flags.data !== undefined;
  if (!own) say('no --data: asking about the photos of clothes that come with the program');
  const test = flags.test ?? (own ? undefined : shippedPhotos('test'));
  const report = await evaluate({
    run: source,
    ...choice,
    train: flags.data ?? shippedPhotos('train'),
    ...(test === undefined ? {} : { test }),
    ...(flags.features === undefined ? {} : { features: flags.features }),
    ...(flags.baseline === undefined ? {} : { baseline: flags.baseline }),
    ...(flags.step === undefined ? {} : { step: flags.step }),
    ...(flags.device === undefined ? {} : { device: flags.device }),
    onProgress: noticesAndLive(),
  });
  const figures = {
    source: report.source,
    tasks: figuresOf(report.tasks),
    ...(report.baseline === undefined ? {} : { baseline: figuresOf(report.baseline) }),
  };
  printResult(figures, formatReport(report), flags.json === true);
}

/** The headline figures with their intervals: what scripts rely on. */
function figuresOf({ r2, knn, linear, rank }: TaskReports): object {
  return {
    ...(r2 && { r2: { inside: r2.inside, zeros: r2.zeros, intervals: r2.intervals } }),
    ...(knn && { knn: { top1: knn.top1, interval: knn.interval, k: knn.k } }),
    ...(linear && { linear: { top1: linear.top1, interval: linear.interval } }),
    ...(rank && {
      rank: { effectiveRank: rank.effectiveRank, interval: rank.interval, featureDim: rank.featureDim },
    }),
  };
}
