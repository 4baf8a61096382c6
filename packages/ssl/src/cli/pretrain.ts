import { Command, InvalidArgumentError } from 'commander';
import { configText, loadRecipe, recipeNames } from '../config/recipe.js';
import type { Config } from '../config/schema.js';
import { shippedPhotos } from '../config/shippedPhotos.js';
import type { MetricRow } from '../protocol/metrics.js';
import { RunFolder } from '../run/runFolder.js';
import { pretrain, type PretrainProgress } from '../train/pretrain.js';
import { peakLr, warmupSteps } from '../train/schedule.js';
import { UsageError } from './failure.js';
import { barText, durationText, printResult, say, showLive } from './output.js';
import { stopOnSignals } from './signals.js';

interface PretrainFlags {
  readonly recipe?: string;
  readonly data?: string[];
  readonly out?: string;
  readonly steps?: number;
  readonly seed?: number;
  readonly set: string[];
  readonly resume?: boolean;
  readonly allowOtherEngine?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const PLAIN_ROW_EVERY_MS = 10_000; // without a terminal

/** `halfway pretrain` */
export function pretrainCommand(): Command {
  return new Command('pretrain')
    .description('train an encoder on photos without labels')
    .option('--recipe <name|file>', `what to train: ${recipeNames().join(', ')}, or a .yaml file`)
    .option(
      '--data <paths...>',
      'folders, tar shards or lists of files (default: the photos of clothes that come with the program)',
    )
    .option('--out <folder>', 'the run folder to write')
    .option('--steps <n>', "length of the training, instead of the recipe's", wholeNumber)
    .option('--seed <n>', 'seed of every random draw', wholeNumber)
    .option('--set <key.path=value>', 'change a key of the recipe; may be repeated', collect, [])
    .option('--resume', 'go on with the run in --out, bit for bit')
    .option('--allow-other-engine', 'resume although threads, libtorch or CPU differ: other bits')
    .option('--dry-run', 'print the resolved configuration and what follows from it, train nothing')
    .option('--json', 'print the summary as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  halfway pretrain --recipe small/vicreg-rot --data photos --out runs/a
  halfway pretrain --recipe small/vicreg-rot --data shards/*.tar --out runs/b --steps 2000 --set model.imagePx=64
  halfway pretrain --out runs/a --resume
  halfway pretrain --recipe paper/vicreg-rot --dry-run

Keys of --set are those of the file config.yaml in a run folder; an unknown one is an error that names the nearest.`,
    )
    .action(run);
}

async function run(flags: PretrainFlags): Promise<void> {
  const { config, recipe, data } = resolve(flags);
  if (flags.dryRun === true) {
    printResult(
      { config, derived: derived(config) },
      `${configText(config)}\n${derivedText(config)}`,
      flags.json === true,
    );
    return;
  }
  if (flags.out === undefined)
    throw new UsageError('--out: a run folder must be named, got none; for example --out runs/a');
  if (flags.data === undefined && flags.resume !== true)
    say('no --data: training on the photos of clothes that come with the program');
  const summary = await pretrain({
    ...{ config, recipe, data, out: flags.out, resume: flags.resume === true },
    allowOtherEngine: flags.allowOtherEngine === true,
    onProgress: progressPrinter(config),
    signal: stopOnSignals(),
  });
  const { steps, seconds, imagesPerSecond } = summary;
  const text = `${steps} steps in ${durationText(seconds)}, ${imagesPerSecond.toFixed(0)} images/s; weights in ${summary.run}/export`;
  printResult(summary, text, flags.json === true);
}

/** Recipe, settings and data of the flags; `--resume` without a recipe takes them from the run. */
function resolve(flags: PretrainFlags): { config: Config; recipe: string; data: readonly string[] } {
  const settings = [
    ...flags.set,
    ...(flags.steps === undefined ? [] : [`train.steps=${flags.steps}`]),
    ...(flags.seed === undefined ? [] : [`train.seed=${flags.seed}`]),
  ];
  if (flags.recipe !== undefined) {
    return {
      config: loadRecipe(flags.recipe, settings),
      recipe: flags.recipe,
      data: flags.data ?? shippedPhotos('train'),
    };
  }
  if (flags.resume !== true || flags.out === undefined) {
    throw new UsageError(`--recipe: must be named, got none; one of ${recipeNames().join(', ')}, or a .yaml file`);
  }
  if (settings.length > 0)
    throw new UsageError('--set, --steps and --seed: need --recipe, since a resumed run keeps its own settings');
  const folder = RunFolder.open(flags.out);
  const manifest = folder.manifest();
  return { config: folder.config(), recipe: manifest.recipe, data: flags.data ?? manifest.data.paths };
}

/** What follows from a configuration. */
function derived(config: Config): Record<string, number> {
  const { model, split, train } = config;
  return {
    steps: train.steps,
    warmupSteps: warmupSteps(config),
    peakLr: peakLr(config),
    gridPatches: model.imagePx / model.patch,
    tokens: (model.imagePx / model.patch) ** 2 + 1 + model.numRegisters,
    invariantDim: split.dim - split.equivariantDim,
    imagesSeen: train.steps * train.batch,
  };
}

function derivedText(config: Config): string {
  const lines = Object.entries(derived(config)).map(([name, value]) => `# ${name}: ${value}`);
  return ['# what follows from it', ...lines].join('\n');
}

/** One live line on a terminal; elsewhere a plain line now and then, and always the last. */
function progressPrinter(config: Config): (progress: PretrainProgress) => void {
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
        const text = rowText(progress.row, progress.totalSteps, config);
        showLive(text);
        const now = performance.now();
        if (process.stderr.isTTY || (now - printedAt < PLAIN_ROW_EVERY_MS && progress.row.step < progress.totalSteps))
          return;
        printedAt = now;
        say(text);
        return;
      }
      default:
        progress satisfies never;
    }
  };
}

const NOT_TERMS = new Set([
  'step',
  'lr',
  'gradNorm',
  'imagesPerSecond',
  'dataWaitMs',
  'stepMs',
  'featureStd',
  'effectiveRank',
]);

function rowText(row: MetricRow, totalSteps: number, config: Config): string {
  const left = (row.stepMs * (totalSteps - row.step)) / 1000;
  const terms = Object.entries(row).filter(([name]) => !NOT_TERMS.has(name));
  return [
    `${barText(row.step / totalSteps)} ${row.step}/${totalSteps}`,
    `${durationText(left)} left`,
    `${row.imagesPerSecond.toFixed(0)} images/s`,
    ...terms.map(([name, value]) => `${name} ${value.toFixed(3)}`),
    `wait ${row.dataWaitMs.toFixed(0)} of ${row.stepMs.toFixed(0)} ms`,
    `rank ${row['effectiveRank']?.toFixed(1) ?? ''} of ${config.split.dim - config.split.equivariantDim}`,
  ].join('  ');
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('must be a whole number from 0.');
  return value;
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
