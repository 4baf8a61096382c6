import { Command } from 'commander';
import { shippedPhotos } from '../data/sources/shippedPhotos.js';
import type { StudyArm } from '../reproduce/study.js';
import { UsageError } from './failure.js';
import { collect, wholeNumber } from './flags.js';
import { noticesAndLive, printResult } from './output.js';
import { evaluationChoice, withEvaluationFlags, type EvaluationFlags } from './evaluationFlags.js';
import { stoppable } from './signals.js';

interface StudyFlags extends EvaluationFlags {
  readonly recipe: string;
  readonly arm: string[];
  readonly seeds: string;
  readonly steps?: number;
  readonly data?: string[];
  readonly test?: string[];
  readonly knnOver?: string[];
  readonly out: string;
  readonly json?: boolean;
}

/** `halfway study` */
export function studyCommand(): Command {
  const command = new Command('study')
    .description('train several variants of a recipe with several seeds, evaluate all, and write one table')
    .requiredOption('--recipe <name|file>', 'what the variants have in common')
    .option('--arm <name:key=value,...>', 'a variant: the recipe with these values; may be repeated', collect, [])
    .option('--seeds <list>', 'comma-separated seeds', '0')
    .option('--steps <n>', "steps of each training, instead of the recipe's", wholeNumber(1))
    .option('--data <paths...>', 'photos to train on (default: those that come with the program)')
    .option('--test <paths...>', 'photos to ask about (default: the validation photos that come with the program)')
    .option('--knn-over <paths...>', 'k-NN also over all of these photos, cross-validated');
  return withEvaluationFlags(command)
    .requiredOption('--out <folder>', 'where to write')
    .option('--json', 'print the result as one JSON object')
    .addHelpText(
      'after',
      `
Examples:
  halfway study --recipe small/vicreg-rot --arm base:recon.target=none --arm task --seeds 0,1,2 --out runs/choose
  halfway study --recipe small/vicreg-rot --arm lambda1:recon.lambda=1 --arm lambda25 --out runs/lambda --steps 2000

Beside the table, OUT/reports/curves.svg draws what the trainings logged, and what halfway eval --step was asked of them.
The table's last column is the second variant minus the first. Choose on the validation photos; name the test photos
with --test once, when nothing is to be chosen any more. Ctrl-C saves and stops; the same command goes on.`,
    )
    .action(run);
}

async function run(flags: StudyFlags): Promise<void> {
  const arms = flags.arm.map(armOf);
  if (arms.length === 0) throw new UsageError('study: needs at least one --arm, got none; for example --arm task');
  const test = flags.test ?? (flags.data === undefined ? shippedPhotos('validation') : undefined);
  if (test === undefined)
    throw new UsageError('study: --data needs --test: photos to ask about, which are not trained on');
  const { study } = await import('../reproduce/study.js');
  const result = await stoppable(({ signal, release }) =>
    study({
      ...{ recipe: flags.recipe, arms, seeds: seedsOf(flags.seeds), out: flags.out },
      ...evaluationChoice(flags),
      ...{ train: flags.data ?? shippedPhotos('train'), test },
      ...(flags.knnOver === undefined ? {} : { knnOver: flags.knnOver }),
      ...(flags.steps === undefined ? {} : { steps: flags.steps }),
      onText: noticesAndLive(),
      signal,
      onTrained: release,
    }),
  );
  const { out, comparisonPath, curvesPath, comparison, table } = result;
  const { photos } = comparison;
  const files = [`table: ${comparisonPath}`, `curves: ${curvesPath}`];
  const text = [table, '', `train: ${photos.train}`, `test: ${photos.test}`, ...files].join('\n');
  printResult({ out, comparisonPath, curvesPath, ...comparison }, text, flags.json === true);
}

/** `task`, or `base:recon.target=none,train.batch=32`. The name is also the folder's. */
function armOf(text: string): StudyArm {
  const [name = '', ...rest] = text.split(':');
  if (!/^(?!\.+$)[\w.-]+$/.test(name)) {
    throw new UsageError(
      `--arm: must be a name of letters, digits, "-", "_" and "." (not dots alone), then ":key=value,...", got ${text}`,
    );
  }
  // A comma within a value, as in augment.cropScale=[0.35,1], has no key after it.
  const settings = rest.length === 0 ? [] : rest.join(':').split(/,(?=[\w.]+=)/);
  return { name, folder: name, settings };
}

function seedsOf(list: string): number[] {
  return list.split(',').map((text) => {
    if (/^\d+$/.test(text.trim())) return Number(text);
    throw new UsageError(`--seeds: must be whole numbers with commas between them, got ${list}`);
  });
}
