import { Command } from 'commander';
import { wholeNumber } from './flags.js';
import { noticesAndLive, printResult } from './output.js';
import { stoppable } from './signals.js';

interface QuickstartFlags {
  readonly out: string;
  readonly seed: number;
  readonly steps?: number;
  readonly json?: boolean;
}

/** `halfway quickstart` */
export function quickstartCommand(): Command {
  return new Command('quickstart')
    .description('the whole job on the photos that come with the program: train with and without the task, compare')
    .option('--out <folder>', 'where to write', 'runs/quickstart')
    .option('--seed <n>', 'seed of both trainings', wholeNumber(), 0)
    .option('--steps <n>', "steps of each training, instead of the recipe's", wholeNumber(1))
    .option('--json', 'print the comparison as one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  halfway quickstart\n  halfway quickstart --out runs/short --steps 200\n\nCtrl-C saves and stops; the same command goes on.',
    )
    .action(async ({ out, seed, steps, json }: QuickstartFlags) => {
      const { quickstart } = await import('../reproduce/quickstart.js');
      const result = await stoppable(({ signal, release }) =>
        quickstart({
          ...{ out, seed, signal, onTrained: release },
          ...(steps === undefined ? {} : { steps }),
          onText: noticesAndLive(),
        }),
      );
      const { comparisonPath, comparison } = result;
      printResult({ out, comparisonPath, ...comparison }, '', json === true);
    });
}
