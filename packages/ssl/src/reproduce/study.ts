/**
 * A study: several arms (ways to train) with several seeds, trained side by side, evaluated in the same way, and written
 * as one table. `npm run quickstart` is the smallest one; docs/log.md holds those that settings were chosen by.
 */
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { loadRecipe } from '../config/recipe.js';
import { ConfigError } from '../errors.js';
import { comparisonTable, compareArms, type ArmRun, type Comparison } from '../eval/compare.js';
import { tasksFor } from '../eval/encoderTasks.js';
import { evaluate, type EvaluateOptions } from '../eval/evaluate.js';
import { EvaluationData, type EvaluationPart, requirePhotos } from '../eval/evaluationData.js';
import { crossValidatedKnn, requireCrossValidation } from '../eval/knn/crossValidate.js';
import type { ProgressListener } from '../eval/progress.js';
import { r2Questions, type R2Questions } from '../eval/r2/runR2.js';
import { makeFolder } from '../makeFolder.js';
import type { EvalTask, KnnReport } from '../protocol/report.js';
import type { PretrainSummary } from '../protocol/run.js';
import { diskError, writeAtomic } from '../run/files.js';
import { RunFolder } from '../run/runFolder.js';
import { drawCurves, readCurves } from './curves.js';
import { hasRun, requireSameRun, trainArms, type Arm, type ArmProgress, type TrainArmsOptions } from './trainArms.js';

const COMPARISON_VERSION = 1;

/** Name of the encoder that has learned nothing, in tables. */
const UNTRAINED = 'untrained';

/** One way to train: the recipe with these `--set` values. */
export interface StudyArm {
  readonly name: string; // in tables
  readonly folder: string; // within OUT/seed-S, each its own
  readonly settings: readonly string[];
}

export interface StudyOptions extends Pick<EvaluateOptions, 'tasks' | 'maxPhotos' | 'r2'> {
  readonly recipe: string;
  /** The table's last column is the second arm minus the first. */
  readonly arms: readonly StudyArm[];
  readonly seeds: readonly number[];
  readonly steps?: number; // the recipe's by default
  /** Photos that encoders are trained on and heads fitted on. */
  readonly train: readonly string[];
  /** Photos that are asked about. Choose on some, then report on others. */
  readonly test: readonly string[];
  /** Photos for a steadier k-NN beside it: all of them, cross-validated. */
  readonly knnOver?: readonly string[];
  readonly out: string;
  /** A line for people; `isLive` lines replace each other. */
  readonly onText: (text: string, isLive: boolean) => void;
  /** Saves the trainings and stops. */
  readonly signal?: AbortSignal;
  /** Told when all are trained: what comes after is kept step by step, and the process may be ended at any time. */
  readonly onTrained?: () => void;
}

/** OUT/reports/comparison.json. */
export interface StudyComparison extends Comparison {
  readonly version: typeof COMPARISON_VERSION;
  readonly runs: readonly StudyRun[];
  /** Which photos heads were fitted on and which were asked about, with what was left out. */
  readonly photos: Readonly<Record<EvaluationPart['name'], string>>;
  readonly seconds: number;
}

/** A run without the outcome of each single photo, which is for paired intervals only. */
type StudyRun = Omit<ArmRun, 'knnAll'> & { readonly knnAll?: KnnReport };

export interface StudyResult {
  readonly out: string;
  readonly comparisonPath: string;
  /** The curves of all runs: reproduce/curves.ts. */
  readonly curvesPath: string;
  /** What the comparison's file holds. */
  readonly comparison: StudyComparison;
  readonly table: string; // Markdown
  readonly numTrain: number;
  readonly numTest: number;
  readonly seconds: number;
}

/**
 * Runs the study and writes OUT/reports/comparison.json and curves.svg. Running it again repeats nothing that is finished.
 *
 * As many trainings run at once as there are cores, each with its share of them.
 *
 * @throws ConfigError, DataError, RunError for what the user can mend; InterruptedError when `signal` stopped it
 */
export async function study(options: StudyOptions): Promise<StudyResult> {
  const start = performance.now();
  const { out, onText, signal = new AbortController().signal } = options;
  requireArms(options);
  const { jobs, atOnce } = jobsOf(options);
  jobs.forEach(requireSameRun);
  const config = loadRecipe(options.recipe);
  const { data } = config;
  const questions = r2Questions(options.r2);
  const { train, test, maxPhotos } = options;
  const photos = new EvaluationData({ train, test, data, ...(maxPhotos === undefined ? {} : { maxPhotos }) });
  const all = options.knnOver === undefined ? undefined : new EvaluationData({ train: options.knnOver, data });
  // Found after hours of training otherwise.
  for (const each of all === undefined ? [photos] : [photos, all]) requirePhotos(each);
  const { knnK } = config.eval;
  const tasks = tasksFor(photos, { named: options.tasks, knnK }, (text) => onText(text, false));
  if (all !== undefined) requireCrossValidation(all, knnK);

  const summaries = await trainArms(jobs, { atOnce, signal, onProgress: progressTeller(atOnce, onText) });
  options.onTrained?.();
  const runs = await evaluateJobs(jobs, summaries, { ...options, photos, all, questions, tasks });
  const [from, to] = options.arms;
  const gain = from === undefined || to === undefined ? undefined : { from: from.name, to: to.name };
  const seconds = (performance.now() - start) / 1000;
  const comparisonPath = join(out, 'reports', 'comparison.json');
  const comparison = {
    version: COMPARISON_VERSION,
    ...compareArms(runs, gain),
    runs: runs.map(studyRun),
    photos: { train: photos.train.description, test: photos.test.description },
    seconds,
  } as const;
  writeReport(comparisonPath, `${JSON.stringify(comparison, undefined, 2)}\n`);
  const curvesPath = join(out, 'reports', 'curves.svg');
  writeReport(curvesPath, drawCurves(jobs.map(({ name, runDir }) => readCurves(name, runDir))));
  const counts = { numTrain: photos.train.indices.length, numTest: photos.test.indices.length };
  return { out, comparisonPath, curvesPath, comparison, table: comparisonTable(runs, gain), ...counts, seconds };
}

/** All trainings, those of one seed together, and how many of them run at once. */
function jobsOf(options: StudyOptions): { readonly jobs: readonly Arm[]; readonly atOnce: number } {
  const { recipe, arms, seeds, train } = options;
  const atOnce = Math.min(arms.length * seeds.length, availableParallelism());
  const share = Math.floor(availableParallelism() / atOnce);
  const jobs = seeds.flatMap((seed) =>
    arms.map(({ name, folder, settings: own }): Arm => {
      const runDir = join(options.out, `seed-${seed}`, folder);
      // A run goes on with the threads it began with, for the same bits, whatever was added to the study since.
      const { threads } = hasRun(runDir) ? RunFolder.open(runDir).config().train : { threads: share };
      const settings = [`train.threads=${threads}`, 'data.decodeProcesses=1', ...own];
      const length = options.steps === undefined ? [] : [`train.steps=${options.steps}`];
      const { steps } = loadRecipe(recipe, [...settings, `train.seed=${seed}`, ...length]).train;
      return { recipe, data: train, seed, steps, name, runDir, settings };
    }),
  );
  return { jobs, atOnce };
}

/** All runs on the same renderings; the untrained encoder, of the first arm's shape, once. */
async function evaluateJobs(
  jobs: readonly Arm[],
  summaries: readonly PretrainSummary[],
  context: Pick<StudyOptions, 'onText'> & {
    readonly tasks: readonly EvalTask[];
    readonly photos: EvaluationData;
    readonly questions: R2Questions;
    all: EvaluationData | undefined;
  },
): Promise<ArmRun[]> {
  const { tasks, questions, onText, photos, all } = context;
  const runs: ArmRun[] = [];
  for (const [i, { name, seed, runDir }] of jobs.entries()) {
    const onProgress: ProgressListener = (text, isLive) => onText(`evaluating ${name}, seed ${seed}: ${text}`, isLive);
    const isFirst = i === 0;
    const baseline = isFirst ? { baseline: 'random' as const } : {};
    const report = await evaluate({ run: runDir, tasks, r2: questions, train: [], photos, ...baseline, onProgress });
    const knnAll = async (random?: number): Promise<Pick<ArmRun, 'knnAll'>> => {
      if (all === undefined) return {};
      return {
        knnAll: await crossValidatedKnn({ run: runDir, photos: all, ...(random === undefined ? {} : { random }) }),
      };
    };
    if (report.baseline !== undefined) {
      runs.push({ arm: UNTRAINED, seed: 0, tasks: report.baseline, ...(await knnAll(0)) });
    }
    const { seconds, imagesPerSecond } = summaries[i] ?? {};
    const cost = seconds === undefined || imagesPerSecond === undefined ? {} : { seconds, imagesPerSecond };
    runs.push({ arm: name, seed, tasks: report.tasks, ...(await knnAll()), ...cost });
  }
  return runs;
}

/** Tells how far the trainings are, and once, when it is known, how long all will take. */
function progressTeller(atOnce: number, onText: StudyOptions['onText']): TrainArmsOptions['onProgress'] {
  let isPaceKnown = false;
  return (running, numWaiting) => {
    const minutes = minutesLeft(running, numWaiting, atOnce);
    const parts = [...running.map(progressText), ...(minutes === undefined ? [] : [`${minutes.toFixed(1)} min left`])];
    onText(parts.join(' | '), true);
    if (minutes === undefined || minutes === 0 || isPaceKnown) return;
    isPaceKnown = true;
    onText(`on this CPU the trainings take about ${minutes.toFixed(1)} minutes more, then the questions`, false);
  };
}

/** Of all trainings, where those that wait take as long as those that run; undefined before each of these has logged a row. */
function minutesLeft(running: readonly ArmProgress[], numWaiting: number, atOnce: number): number | undefined {
  const paces = running.flatMap(({ last, steps }) =>
    last === undefined
      ? []
      : [{ left: (last.stepMs * (steps - last.step)) / 60_000, whole: (last.stepMs * steps) / 60_000 }],
  );
  if (paces.length < running.length) return undefined;
  const total = (of: 'left' | 'whole'): number => paces.reduce((minutes, pace) => minutes + pace[of], 0);
  const work = total('left') + (numWaiting * total('whole')) / Math.max(1, paces.length);
  return Math.max(work / atOnce, ...paces.map(({ left }) => left));
}

function progressText({ arm, seed, steps, last }: ArmProgress): string {
  const name = `${arm}, seed ${seed}`;
  if (last === undefined) return `${name}: starting`;
  return `${name}: step ${last.step}/${steps}, loss ${last.loss.toFixed(3)}, ${last.imagesPerSecond.toFixed(0)} images/s`;
}

function studyRun({ knnAll, ...run }: ArmRun): StudyRun {
  if (knnAll === undefined) return run;
  const { top1, k, interval, protocol } = knnAll;
  return { ...run, knnAll: { top1, k, interval, protocol } };
}

function writeReport(path: string, text: string): void {
  try {
    makeFolder(dirname(path));
  } catch (error) {
    throw diskError(path, error);
  }
  writeAtomic(path, text);
}

function requireArms({ arms, seeds, steps }: StudyOptions): void {
  const requireDifferent = (what: string, values: readonly (string | number)[]): void => {
    if (values.length > 0 && new Set(values).size === values.length) return;
    throw new ConfigError(`study: needs at least one ${what}, all different, got ${values.join(', ') || 'none'}`);
  };
  requireDifferent(
    'arm',
    arms.map(({ name }) => name),
  );
  requireDifferent('seed', seeds);
  requireDifferent(
    'folder of an arm',
    arms.map(({ folder }) => folder),
  );
  requireNames(arms);
  // The study gives both to every arm: an arm's own would be overridden, and two equal runs stand as different ones in the table.
  const shared = { 'train.seed': '--seeds', ...(steps !== undefined && { 'train.steps': '--steps' }) };
  for (const [key, option] of Object.entries(shared)) {
    const arm = arms.find(({ settings }) => settings.some((setting) => setting.startsWith(`${key}=`)));
    if (arm === undefined) continue;
    throw new ConfigError(
      `study: ${key} must be that of ${option} for every arm, got one of its own in ${arm.name}; leave it out`,
      key,
    );
  }
}

/** What would be pooled with the untrained encoder in the table, or trained outside OUT. */
function requireNames(arms: readonly StudyArm[]): void {
  for (const { name, folder } of arms) {
    if (name === UNTRAINED) {
      throw new ConfigError(
        `study: an arm must not be named ${UNTRAINED}, the name of the encoder that has learned nothing; choose another name`,
      );
    }
    if (/^\.*$|[/\\]/.test(folder)) {
      throw new ConfigError(
        `study: the folder of an arm must be the name of one folder within OUT/seed-S, got "${folder}" for ${name}; choose another name`,
      );
    }
  }
}
