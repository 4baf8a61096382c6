/**
 * `npm run quickstart`: the whole job in one command. Trains the plain base and the same with the reconstruction task at
 * equal steps on the photos that come with the repository, evaluates both and an untrained encoder once on the test
 * photos, and writes one table.
 */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { loadRecipe } from '../config/recipe.js';
import { shippedPhotos } from '../config/shippedPhotos.js';
import { comparisonTable, compareArms, type ArmRun } from '../eval/compare.js';
import { evaluate } from '../eval/evaluate.js';
import { EvaluationData } from '../eval/evaluationData.js';
import type { EvalReport, TaskReports } from '../protocol/report.js';
import type { PretrainSummary } from '../protocol/run.js';
import { trainArms, type Arm, type ArmProgress } from './trainArms.js';

const RECIPE = 'quickstart';

export interface QuickstartOptions {
  readonly out: string;
  readonly seed: number;
  readonly steps?: number; // the recipe's by default
  /** A line for people; `isLive` lines replace each other. */
  readonly onText: (text: string, isLive: boolean) => void;
}

export interface QuickstartResult {
  readonly out: string;
  readonly arms: readonly ArmRun[];
  readonly table: string;
  readonly seconds: number;
}

/** Runs the experiment and writes OUT/reports/comparison.json. Running it again repeats nothing that is finished. */
export async function quickstart(options: QuickstartOptions): Promise<QuickstartResult> {
  const start = performance.now();
  const { out, seed, onText } = options;
  const steps = options.steps ?? loadRecipe(RECIPE).train.steps;
  onText(introduction(steps), false);
  const arms = armsOf(options);
  const summaries = await trainArms(arms, (progress) => onText(progressText(progress, steps, start), true));

  const photos = new EvaluationData({
    train: shippedPhotos('train'),
    test: shippedPhotos('test'),
    data: loadRecipe(RECIPE).data,
  });
  const reports: EvalReport[] = [];
  for (const { name, runDir } of arms) {
    const isFirst = reports.length === 0;
    const report = await evaluate({
      ...{ run: runDir, tasks: ['r2', 'knn'], train: [], photos },
      ...(isFirst ? { baseline: 'random' as const } : {}),
      onProgress: (text) => onText(`evaluating ${name}: ${text}`, true),
    });
    reports.push(report);
  }

  const runs = armRuns(arms, summaries, reports, seed);
  const table = comparisonTable(runs);
  const seconds = (performance.now() - start) / 1000;
  const result = { out, arms: runs, table, seconds };
  writeComparison(out, { ...compareArms(runs), runs, seconds });
  onText(conclusion(result, arms), false);
  return result;
}

function armsOf({ out, seed, steps }: QuickstartOptions): Arm[] {
  const threads = Math.max(1, Math.floor(availableParallelism() / 2));
  const shared = { recipe: RECIPE, data: shippedPhotos('train'), seed, ...(steps === undefined ? {} : { steps }) };
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
  const folder = join(out, 'reports');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'comparison.json');
  writeFileSync(`${path}.partial`, `${JSON.stringify({ version: 1, ...comparison }, undefined, 2)}\n`);
  renameSync(`${path}.partial`, path);
}

function introduction(steps: number): string {
  return [
    `Two small vision transformers learn from 3,068 photos of clothes, without labels, ${steps} steps each, side by side:`,
    'the plain base (VICReg), and the same with the task of this project: from two views, reconstruct the photo as it',
    'looked halfway along the rotation between them. Then both, and one that has learned nothing, are asked how far a',
    'photo was turned. Ctrl-C saves and stops; the same command goes on. How long it takes is shown after a few steps.',
  ].join('\n');
}

function progressText(progress: readonly ArmProgress[], steps: number, startMs: number): string {
  const parts = progress.map(({ arm, last }) => {
    if (last === undefined) return `${arm}: starting`;
    return `${arm}: step ${last.step}/${steps}, loss ${last.loss.toFixed(3)}, ${last.imagesPerSecond.toFixed(0)} images/s`;
  });
  const slowest = Math.min(...progress.map(({ last }) => last?.step ?? 0));
  const elapsedSeconds = (performance.now() - startMs) / 1000;
  const minutesLeft = slowest === 0 ? undefined : ((elapsedSeconds / slowest) * (steps - slowest)) / 60;
  return `${parts.join(' | ')}${minutesLeft === undefined ? '' : ` | ${minutesLeft.toFixed(1)} min left`}`;
}

function conclusion({ out, table }: QuickstartResult, arms: readonly Arm[]): string {
  const [, task] = arms;
  const taskDir = task?.runDir ?? out;
  return [
    '',
    table,
    '',
    'R2: 1 reads the change exactly, 0 not at all; brackets are 95 % intervals over the 372 test photos. "inside" shows no',
    'pixel from outside the photo; with "zero border" black corners give part of the answer away, to any encoder.',
    '',
    `pictures: ${join(taskDir, 'images')}   table: ${join(out, 'reports', 'comparison.json')}`,
    'next:',
    '  npx halfway data preview --data YOUR_PHOTOS --out preview.png',
    '  npx halfway pretrain --recipe small/vicreg-rot --data YOUR_PHOTOS --out runs/mine',
    `  npx halfway eval ${taskDir} --tasks r2,knn,linear --features equivariant --baseline random`,
  ].join('\n');
}
