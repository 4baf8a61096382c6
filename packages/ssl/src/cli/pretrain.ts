import { Command } from 'commander';
import { configText, loadRecipe, recipeNames } from '../config/recipe.js';
import type { Config } from '../config/schema.js';
import { shippedPhotos } from '../data/sources/shippedPhotos.js';
import { durationText } from '../duration.js';
import { UsageError } from './failure.js';
import { collect, deviceOption, wholeNumber } from './flags.js';
import { printResult, say } from './output.js';
import { progressPrinter } from './progress.js';
import { stoppable } from './signals.js';

interface PretrainFlags {
  readonly recipe?: string;
  readonly data?: string[];
  readonly out?: string;
  readonly init?: string;
  readonly steps?: number;
  readonly seed?: number;
  readonly device?: 'cpu' | 'cuda';
  readonly set: string[];
  readonly resume?: boolean;
  readonly allowOtherEngine?: boolean;
  readonly dryRun?: boolean;
  readonly numPhotos?: number;
  readonly json?: boolean;
}

interface Job {
  readonly config: Config;
  readonly recipe: string;
  /** Absent: the photos that come with the program. */
  readonly data: readonly string[] | undefined;
}

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
    .option(
      '--init <file>',
      'start from weights: .pth or safetensors of any kind that halfway import reads, or a run folder',
    )
    .option('--steps <n>', "length of the training, instead of the recipe's", wholeNumber(1))
    .option('--seed <n>', 'seed of every random draw', wholeNumber())
    .addOption(deviceOption("where to train (default: the recipe's train.device, cpu unless it says otherwise)"))
    .option('--set <key.path=value>', 'change a key of the recipe; may be repeated', collect, [])
    .option('--resume', 'go on with the run in --out, bit for bit')
    .option('--allow-other-engine', 'resume although libtorch or CPU differ: other bits')
    .option(
      '--dry-run',
      'print the resolved configuration and what follows from it (parameters, epochs, FLOPs, memory), train nothing',
    )
    .option(
      '--num-photos <n>',
      'with --dry-run: photos that the data will have, where they are not here',
      wholeNumber(1),
    )
    .option('--json', 'print the summary as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  halfway pretrain --recipe small/vicreg-rot --data photos --out runs/a
  halfway pretrain --recipe small/vicreg-rot --data shards/*.tar --out runs/b --steps 2000 --set model.imagePx=64
  halfway pretrain --recipe small/vicreg-rot --data photos --init runs/a --out runs/c
  halfway pretrain --out runs/a --resume
  halfway pretrain --recipe paper/vicreg-rot --dry-run --num-photos 1281167

Keys of --set are those of the file config.yaml in a run folder; an unknown one is an error that names the nearest.
Ctrl-C saves and stops.`,
    )
    .action(run);
}

async function run(flags: PretrainFlags): Promise<void> {
  const job = await resolveJob(flags);
  if (flags.dryRun === true) {
    await describeJob(job, flags);
    return;
  }
  if (flags.numPhotos !== undefined) {
    throw new UsageError(`--num-photos: goes with --dry-run, got ${flags.numPhotos} for a training; leave it out`);
  }
  const { out } = flags;
  if (out === undefined) {
    throw new UsageError('--out: a run folder must be named, got none; for example --out runs/a');
  }
  if (job.data === undefined) say('no --data: training on the photos of clothes that come with the program');
  const { pretrain } = await import('../train/pretrain.js');
  const { data = shippedPhotos('train'), config, recipe } = job;
  const isStarted = config.init.file !== undefined;
  const judge = isStarted ? (await import('../eval/featureJudge.js')).featureJudge : undefined;
  const summary = await stoppable(({ signal }) =>
    pretrain({
      ...{ config, recipe, data, out, signal },
      resume: flags.resume === true,
      allowOtherEngine: flags.allowOtherEngine === true,
      ...(judge && { judge }),
      onProgress: progressPrinter(config),
    }),
  );
  const { steps, seconds, imagesPerSecond, init } = summary;
  const text = `${steps} steps in ${durationText(seconds)}, ${imagesPerSecond.toFixed(0)} images/s; weights in ${summary.run}/export`;
  printResult(summary, init === undefined ? text : `${text}\n${init.sentence}`, flags.json === true);
}

/** Recipe, settings and data of the flags; what `--resume` is not told, it takes from the run. */
async function resolveJob(flags: PretrainFlags): Promise<Job> {
  const { recipe, data, out } = flags;
  const settings = [
    ...flags.set,
    ...(flags.steps === undefined ? [] : [`train.steps=${flags.steps}`]),
    ...(flags.seed === undefined ? [] : [`train.seed=${flags.seed}`]),
    ...(flags.device === undefined ? [] : [`train.device=${flags.device}`]),
    ...(flags.init === undefined ? [] : [`init.file=${JSON.stringify(flags.init)}`]),
  ];
  if (flags.resume === true && out === undefined) {
    throw new UsageError('--out: the run folder to go on with must be named, got none; for example --out runs/a');
  }
  if (out === undefined || flags.resume !== true) {
    if (recipe !== undefined) return { config: loadRecipe(recipe, settings), recipe, data };
    throw new UsageError(`--recipe: must be named, got none; one of ${recipeNames().join(', ')}, or a .yaml file`);
  }
  const { RunFolder } = await import('../run/runFolder.js');
  const folder = RunFolder.open(out);
  const manifest = folder.manifest();
  const paths = data ?? manifest.data.paths;
  if (recipe !== undefined) return { config: loadRecipe(recipe, settings), recipe, data: paths };
  if (settings.length === 0) return { config: folder.config(), recipe: manifest.recipe, data: paths };
  throw new UsageError(
    `--set, --steps, --seed, --device, --init: need --recipe, got ${settings.join(' ')}; leave them out, a resumed run keeps its own settings`,
  );
}

/** `--dry-run`: of as many photos as `--num-photos` says, else of those that would be trained on. */
async function describeJob({ config, data }: Job, flags: PretrainFlags): Promise<void> {
  const [{ derivedValues }, { derivedText }, { plannedComputeDtype }, { openSource }, { startWeights }] =
    await Promise.all([
      import('../train/derived.js'),
      import('../train/describe.js'),
      import('../train/computeDtype.js'),
      import('../data/sources/openSource.js'),
      import('../interop/startWeights.js'),
    ]);
  const numPhotos = flags.numPhotos ?? openSource(data ?? shippedPhotos('train')).samples.length;
  const weights = await startWeights(config.init);
  const derived = derivedValues(config, { numPhotos, computeDtype: plannedComputeDtype(config.train), weights });
  printResult({ config, derived }, `${configText(config)}\n${derivedText(derived)}`, flags.json === true);
}
