import { Command } from 'commander';
import { parseConfig } from '../config/parse.js';
import { loadRecipe } from '../config/recipe.js';
import { applySettings } from '../config/settings.js';
import { shippedPhotos } from '../data/sources/shippedPhotos.js';
import { BadResult } from './failure.js';
import { collect, wholeNumber } from './flags.js';
import { plainOrLive, printResult } from './output.js';

interface PreviewFlags {
  readonly recipe: string;
  readonly data?: string[];
  readonly out: string;
  readonly photos: number;
  readonly set: string[];
  readonly json?: boolean;
}

interface CheckFlags {
  readonly data?: string[];
  readonly set: string[];
  readonly json?: boolean;
}

const DATA_TEXT = 'folders, tar shards or lists of files (default: the photos that come with the program)';

/** `halfway data preview` and `halfway data check` */
export function dataCommand(): Command {
  return new Command('data')
    .description('look at photos before training on them')
    .addCommand(previewCommand())
    .addCommand(checkCommand());
}

function previewCommand(): Command {
  return new Command('preview')
    .description('a picture of exactly what the trainer will see')
    .option('--recipe <name|file>', 'the recipe whose views are shown', 'small/vicreg-rot')
    .option('--data <paths...>', DATA_TEXT)
    .option('--out <file>', 'the PNG file to write', 'preview.png')
    .option(
      '--photos <n>',
      'how many rows; where there are fewer photos they come again, in other views',
      wholeNumber(1),
      8,
    )
    .option('--set <key.path=value>', 'change a key of the recipe; may be repeated', collect, [])
    .option('--json', 'print the path as one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  halfway data preview --data photos\n  halfway data preview --data photos --set recon.fill=zeros --set recon.target=se2',
    )
    .action(async ({ recipe, data, out, photos, set, json }: PreviewFlags) => {
      const { openSource } = await import('../data/sources/openSource.js');
      const { writePreview } = await import('../train/preview.js');
      const config = loadRecipe(recipe, set);
      const source = openSource(data ?? shippedPhotos('train'));
      const path = await writePreview({ source, config, out, numPhotos: photos });
      printResult({ path, numImages: source.samples.length }, path, json === true);
    });
}

function checkCommand(): Command {
  return new Command('check')
    .description('decode every photo: how many, how large, which labels, and which files cannot be read')
    .option('--data <paths...>', DATA_TEXT)
    .option('--set <key.path=value>', 'change a key of the section data; may be repeated', collect, [])
    .option('--json', 'print the description as one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  halfway data check --data photos\n  halfway data check --data shards/*.tar --json\n\nExit code 1: more photos cannot be read than a run accepts (data.maxBadFraction).',
    )
    .action(async ({ data, set, json }: CheckFlags) => {
      const { openSource } = await import('../data/sources/openSource.js');
      const { describeData, formatDescription } = await import('../data/describeData.js');
      const config = parseConfig(applySettings({}, set), '--set');
      const source = openSource(data ?? shippedPhotos('train'));
      const show = plainOrLive();
      const onProgress = (done: number, total: number): void => show(`${done} of ${total} photos`);
      const description = await describeData(source, { config, onProgress });
      printResult(description, formatDescription(description), json === true);
      if (description.hasTooManyBad) throw new BadResult('too many photos cannot be read');
    });
}
