/**
 * `npm run quickstart`: the whole job in one command. Trains the plain base and the same with the reconstruction task at
 * equal steps on the photos that come with the repository, evaluates both and an untrained encoder once on the test
 * photos, and writes one table.
 */
import { join } from 'node:path';
import { loadRecipe } from '../config/recipe.js';
import { shippedPhotos } from '../data/sources/shippedPhotos.js';
import { durationText } from '../duration.js';
import { study, type StudyArm, type StudyOptions, type StudyResult } from './study.js';

const RECIPE = 'quickstart';
const BASE: StudyArm = { name: 'plain base', folder: 'base', settings: ['recon.target=none'] };
const TASK: StudyArm = { name: 'with the task', folder: 'task', settings: [] };

export interface QuickstartOptions extends Pick<StudyOptions, 'out' | 'onText' | 'signal' | 'onTrained'> {
  readonly seed: number;
  readonly steps?: number; // the recipe's by default
}

/**
 * Runs the experiment and writes OUT/reports/comparison.json and curves.svg. Running it again repeats nothing that is finished.
 *
 * @throws ConfigError for a seed or a length that cannot be; DataError, RunError; InterruptedError when `signal` stopped it
 */
export async function quickstart({ seed, steps, ...options }: QuickstartOptions): Promise<StudyResult> {
  options.onText(introduction(steps ?? loadRecipe(RECIPE).train.steps), false);
  const result = await study({
    ...options,
    ...{ recipe: RECIPE, arms: [BASE, TASK], seeds: [seed], tasks: ['r2', 'knn'] },
    ...{ train: shippedPhotos('train'), test: shippedPhotos('test') },
    ...(steps === undefined ? {} : { steps }),
  });
  options.onText(conclusion(result, join(options.out, `seed-${seed}`, TASK.folder)), false);
  return result;
}

function introduction(steps: number): string {
  return [
    `Two small vision transformers learn from a few thousand photos of clothes, without labels, ${steps} steps each, side by side:`,
    'the plain base (VICReg), and the same with the task of this project: from two views, reconstruct the photo as it',
    'looked halfway along the rotation between them. Then both, and one that has learned nothing, are asked how far a',
    'photo was turned. How long it takes on this CPU is measured on the first steps and said in a few seconds.',
    'Ctrl-C saves and stops; the same command goes on.',
  ].join('\n');
}

function conclusion({ table, seconds, numTest, comparisonPath, curvesPath }: StudyResult, taskDir: string): string {
  return [
    '',
    table,
    '',
    `R2: 1 reads the change exactly, 0 not at all; brackets are 95 % intervals over the ${numTest} test photos. "inside" shows`,
    'no pixel from outside the photo; with "zero border" black corners give part of the answer away, to any encoder.',
    '',
    `all of it took ${durationText(seconds)}`,
    `pictures: ${join(taskDir, 'images')}   table: ${comparisonPath}   curves: ${curvesPath}`,
    'next:',
    '  npx halfway data preview --data YOUR_PHOTOS --out preview.png',
    '  npx halfway pretrain --recipe small/vicreg-rot --data YOUR_PHOTOS --out runs/mine',
    `  npx halfway eval ${taskDir} --tasks r2,knn,linear --features equivariant --baseline random`,
  ].join('\n');
}
