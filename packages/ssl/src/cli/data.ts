import { Command } from 'commander';
import { loadRecipe } from '../config/recipe.js';
import { shippedPhotos } from '../config/shippedPhotos.js';
import { openSource } from '../data/sources/openSource.js';
import { writePreview } from '../data/preview.js';
import { viewsOf } from '../train/views.js';
import { printResult } from './output.js';

interface PreviewFlags {
  readonly recipe: string;
  readonly data?: string[];
  readonly out: string;
  readonly photos: string;
  readonly set: string[];
  readonly json?: boolean;
}

/** `halfway data preview` and `halfway data check` */
export function dataCommand(): Command {
  const preview = new Command('preview')
    .description('a picture of exactly what the trainer will see')
    .option('--recipe <name|file>', 'the recipe whose views are shown', 'small/vicreg-rot')
    .option(
      '--data <paths...>',
      'folders, tar shards or lists of files (default: the photos that come with the program)',
    )
    .option('--out <file>', 'the PNG file to write', 'preview.png')
    .option('--photos <n>', 'how many photos', '8')
    .option('--set <key.path=value>', 'change a key of the recipe; may be repeated', collect, [])
    .option('--json', 'print the path as one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  halfway data preview --data photos\n  halfway data preview --data photos --set recon.fill=zeros --set recon.target=se2',
    )
    .action(async ({ recipe, data, out, photos, set, json }: PreviewFlags) => {
      const config = loadRecipe(recipe, set);
      const source = openSource(data ?? shippedPhotos('train'));
      const path = await writePreview({ source, config, views: viewsOf(config), out, numPhotos: Number(photos) });
      printResult({ path, numImages: source.samples.length }, path, json === true);
    });
  return new Command('data').description('look at photos before training on them').addCommand(preview);
}

function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
