/**
 * `npm run quickstart`: the whole job in one command. Trains the plain base and the same with the reconstruction task at
 * equal steps on the photos that come with the repository, evaluates both and an untrained encoder once on the test
 * photos, and writes one table.
 */
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { loadRecipe } from '../config/recipe.js';
import { shippedPhotos } from '../config/shippedPhotos.js';
import { durationText } from '../duration.js';
import { comparisonTable, compareArms, type ArmRun } from '../eval/compare.js';
import { evaluate } from '../eval/evaluate.js';
import { EvaluationData } from '../eval/evaluationData.js';
import type { EvalReport, TaskReports } from '../protocol/report.js';
import type { PretrainSummary } from '../protocol/run.js';
import { diskError, writeAtomic } from '../run/files.js';
import { trainArms, type Arm, type ArmProgress } from './trainArms.js';

const RECIPE = 'quickstart';
const COMPARISON_VERSION = 1;

export interface QuickstartOptions {
  readonly out: string;
  readonly seed: number;
  readonly steps?: number; // the recipe's by default
  /** A line for people; `isLive` lines replace each other. */
  readonly onText: (text: string, isLive: boolean) => void;
  /** Saves the trainings and stops. */
  readonly signal?: AbortSignal;
  /** Told when both are trained: what comes after is kept step by step, and the process may be ended at any time. */
  readonly onTrained?: () => void;
}

export interface QuickstartResult {
  readonly out: string;
  readonly arms: readonly ArmRun[];
  readonly table: string;
  readonly seconds: number;
}

/**
 * Runs the experiment and writes OUT/reports/comparison.json. Running it again repeats nothing that is finished.
 *
 * @throws ConfigError for a seed or a length that cannot be; DataError, RunError; InterruptedError when `signal` stopped it
 */
export async function quickstart(options: QuickstartOptions): Promise<QuickstartResult> {
  const start = performance.now();
  const { out, seed, onText, signal = new AbortController().signal } = options;
  const settings = [`train.seed=${seed}`, ...(options.steps === undefined ? [] : [`train.steps=${options.steps}`])];
  const config = loadRecipe(RECIPE, settings);
  const { steps } = config.train;
  const photos = new EvaluationData({
    train: shippedPhotos('train'),
    test: shippedPhotos('test'),
    data: config.data,
  });
  const numPhotos = { train: photos.train.indices.length, test: photos.test.indices.length };
  onText(introduction(steps, numPhotos.train), false);

  const arms = armsOf(out, seed, steps);
  let isPaceKnown = false;
  const summaries = await trainArms(arms, {
    signal,
    onProgress: (progress) => {
      onText(progressText(progress, steps), true);
      const minutes = minutesLeft(progress, steps);
      if (minutes === undefined || minutes === 0 || isPaceKnown) return;
      isPaceKnown = true;
      onText(`on this CPU the two trainings take about ${minutes.toFixed(1)} minutes more, then the questions`, false);
    },
  });

  options.onTrained?.();
  const reports = await evaluateArms(arms, photos, onText);
  const runs = armRuns(arms, summaries, reports, seed);
  const table = comparisonTable(runs);
  const seconds = (performance.now() - start) / 1000;
  const result = { out, arms: runs, table, seconds };
  writeComparison(out, { ...compareArms(runs), runs, seconds });
  onText(conclusion(result, arms, numPhotos.test), false);
  return result;
}

/** Both arms on the same renderings; the untrained encoder, being of the same shape for both, with the first. */
async function evaluateArms(
  arms: readonly Arm[],
  photos: EvaluationData,
  onText: QuickstartOptions['onText'],
): Promise<EvalReport[]> {
  const reports: EvalReport[] = [];
  for (const { name, runDir } of arms) {
    const report = await evaluate({
      ...{ run: runDir, tasks: ['r2', 'knn'], train: [], photos },
      ...(reports.length === 0 ? { baseline: 'random' as const } : {}),
      onProgress: (text) => onText(`evaluating ${name}: ${text}`, true),
    });
    reports.push(report);
  }
  return reports;
}

function armsOf(out: string, seed: number, steps: number): Arm[] {
  const threads = Math.max(1, Math.floor(availableParallelism() / 2));
  const shared = { recipe: RECIPE, data: shippedPhotos('train'), seed, steps };
  const own = [`train.threads=${threads}`, 'data.decodeProcesses=1'];
  return [
    { ...shared, name: 'plain base', runDir: join(out, 'base'), settings: [...own, 'recon.target=none'] },
    { ...shared, name: 'with the task', runDir: join(out, 'task'), settings: own },
  ];
}

function armRuns(
  arms: readonly Arm[],
  summaries: readonly PretrainSummary[],
  reports: readonly EvalReport[],
  seed: number,
): ArmRun[] {
  const untrained: TaskReports = reports[0]?.baseline ?? {};
  const trained = arms.flatMap(({ name }, i): ArmRun[] => {
    const [summary, report] = [summaries[i], reports[i]];
    if (summary === undefined || report === undefined) return [];
    const { seconds, imagesPerSecond } = summary;
    return [{ arm: name, seed, tasks: report.tasks, seconds, imagesPerSecond }];
  });
  return [{ arm: 'untrained', seed, tasks: untrained }, ...trained];
}

function writeComparison(out: string, comparison: object): void {
  const path = comparisonPath(out);
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw diskError(path, error);
  }
  writeAtomic(path, `${JSON.stringify({ version: COMPARISON_VERSION, ...comparison }, undefined, 2)}\n`);
}

function comparisonPath(out: string): string {
  return join(out, 'reports', 'comparison.json');
}

function introduction(steps: number, numPhotos: number): string {
  return [
    `Two small vision transformers learn from ${numPhotos} photos of clothes, without labels, ${steps} steps each, side by side:`,
    'the plain base (VICReg), and the same with the task of this project: from two views, reconstruct the photo as it',
    'looked halfway along the rotation between them. Then both, and one that has learned nothing, are asked how far a',
    'photo was turned. How long it takes on this CPU is measured on the first steps and said in a few seconds.',
    'Ctrl-C saves and stops; the same command goes on.',
  ].join('\n');
}

/** Of the slower arm; undefined before both have logged a row. */
function minutesLeft(progress: readonly ArmProgress[], steps: number): number | undefined {
  const minutes = progress.map(({ last }) =>
    last === undefined ? undefined : (last.stepMs * (steps - last.step)) / 60_000,
  );
  const known = minutes.filter((value) => value !== undefined);
  return known.length === progress.length ? Math.max(...known) : undefined;
}

function progressText(progress: readonly ArmProgress[], steps: number): string {
  const parts = progress.map(({ arm, last }) => {
    if (last === undefined) return `${arm}: starting`;
    return `${arm}: step ${last.step}/${steps}, loss ${last.loss.toFixed(3)}, ${last.imagesPerSecond.toFixed(0)} images/s`;
  });
  const minutes = minutesLeft(progress, steps);
  return `${parts.join(' | ')}${minutes === undefined ? '' : ` | ${minutes.toFixed(1)} min left`}`;
}

function conclusion({ out, table, seconds }: QuickstartResult, arms: readonly Arm[], numTest: number): string {
  const [, task] = arms;
  const taskDir = task?.runDir ?? out;
  return [
    '',
    table,
    '',
    `R2: 1 reads the change exactly, 0 not at all; brackets are 95 % intervals over the ${numTest} test photos. "inside" shows`,
    'no pixel from outside the photo; with "zero border" black corners give part of the answer away, to any encoder.',
    '',
    `all of it took ${durationText(seconds)}`,
    `pictures: ${join(taskDir, 'images')}   table: ${comparisonPath(out)}`,
    'next:',
    '  npx halfway data preview --data YOUR_PHOTOS --out preview.png',
    '  npx halfway pretrain --recipe small/vicreg-rot --data YOUR_PHOTOS --out runs/mine',
    `  npx halfway eval ${taskDir} --tasks r2,knn,linear --features equivariant --baseline random`,
  ].join('\n');
}
