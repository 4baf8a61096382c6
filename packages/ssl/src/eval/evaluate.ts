/**
 * `halfway eval`: what the frozen features of a run know, beside those of an untrained encoder of the same shape.
 * Opens everything before the first photo is rendered, so that mistakes cost nothing; never touches the training.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { scope } from '@halfway/torch';
import { configSchema, type Config } from '../config/schema.js';
import { notReadText } from '../data/sources/source.js';
import { ConfigError, RunError, reasonOf } from '../errors.js';
import { makeFolder } from '../makeFolder.js';
import { EVAL_TASKS, REPORT_VERSION } from '../protocol/report.js';
import type { EvalReport, EvalTask, FeatureKind, TaskReports } from '../protocol/report.js';
import { requireDevice } from '../requireDevice.js';
import { writeAtomic } from '../run/files.js';
import { disposeNetwork, type LoadedEncoder, loadEncoder } from '../run/loadEncoder.js';
import { readVersioned } from '../run/versioned.js';
import { tasksFor } from './encoderTasks.js';
import { evaluateEncoder, type EncoderQuestions } from './evaluateEncoder.js';
import { EvaluationData, type EvaluationPart, photosHash, requirePhotos } from './evaluationData.js';
import { FeatureCache } from './featureCache.js';
import type { ProgressListener } from './progress.js';
import { r2Questions, type R2Questions } from './r2/runR2.js';

/** Seed of the untrained encoder, fixed so that every report has the same one beside it. */
const UNTRAINED_SEED = 0;

export interface EvaluateOptions {
  /** A run folder, or a safetensors file of weights. */
  readonly run: string;
  /** The run's checkpoint of so many steps, for curves; its newest by default. */
  readonly step?: number;
  /** All that the photos allow by default: without classes neither k-NN nor the linear probe. */
  readonly tasks?: readonly EvalTask[];
  /** Photos that heads are fitted on and neighbours come from. */
  readonly train: readonly string[];
  /** Photos that are asked about once; without them 20 % of `train` by hash of the id. */
  readonly test?: readonly string[];
  /** At most this many photos of each part, evenly over its classes, by hash of the id. */
  readonly maxPhotos?: number;
  /** What the task `r2` asks: all four parameters under both borders by default. */
  readonly r2?: Partial<R2Questions>;
  readonly features?: FeatureKind; // the run's eval.features by default
  /** Where the encoder runs, `cpu` by default; what is fitted on its features is fitted on the CPU. */
  readonly device?: Config['train']['device'];
  /** `random`: the same tasks for an untrained encoder of the same shape. */
  readonly baseline?: 'random';
  /** Sections that take the place of the run's. Thetas are drawn from the schema's default ranges unless given here. */
  readonly settings?: {
    readonly eval?: Config['eval'];
    readonly transform?: Config['transform'];
    readonly data?: Config['data'];
  };
  /** Photos opened before: several encoders then share the renderings. `train`, `test` and `maxPhotos` are not read. */
  readonly photos?: EvaluationData;
  readonly onProgress?: ProgressListener;
}

/**
 * Evaluates an encoder and, for a run folder, writes RUN/reports/eval-<features>.json, or eval-<features>-step-<N>.json of the
 * checkpoint that was named. Other tasks that the file has of the same checkpoint and the same photos stay in it.
 *
 * @example const report = await evaluate({ run: 'runs/a', tasks: ['r2', 'knn'], train: ['photos'], baseline: 'random' });
 * @throws ConfigError, DataError, RunError for what the user can mend
 */
export async function evaluate(options: EvaluateOptions): Promise<EvalReport> {
  const start = performance.now();
  if (options.tasks?.length === 0)
    throw new ConfigError(`eval: needs at least one task, got none; name some of ${EVAL_TASKS.join(', ')}`);
  requireDevice(options.device ?? 'cpu');
  const questions = r2Questions(options.r2);
  // Weights are kept out of the scope; what initialising them leaves behind is not.
  const loaded = scope(() => loadEncoder(options.run, { step: options.step }));
  try {
    return await evaluateLoaded(loaded, { ...options, r2: questions }, start);
  } finally {
    disposeNetwork(loaded);
  }
}

async function evaluateLoaded(
  loaded: LoadedEncoder,
  options: EvaluateOptions & { readonly r2: R2Questions },
  start: number,
): Promise<EvalReport> {
  const { device = 'cpu', onProgress = () => undefined } = options;
  const kind = options.features ?? loaded.config.eval.features;
  const settings = options.settings?.eval ?? loaded.config.eval;
  const reportPath = reportPathOf(loaded.runDir, kind, options.step);
  if (reportPath !== undefined) requireWritable(reportPath);
  const data = options.photos ?? openPhotos(options, loaded.config);
  requirePhotos(data);
  const tell = (text: string): void => onProgress(text, false);
  if (reportPath !== undefined) readEarlier(reportPath, tell);
  for (const source of new Set([data.train.source, data.test.source])) {
    const text = notReadText(source);
    if (text !== undefined) tell(`${source.paths.join(', ')}: ${text}`);
  }

  const timings: Record<string, number> = {};
  const addSeconds = (part: string, seconds: number): void => {
    timings[part] = (timings[part] ?? 0) + seconds;
  };
  const questions: EncoderQuestions = {
    ...{ data, kind, device, settings, onProgress, addSeconds },
    questions: options.r2,
    tasks: tasksFor(data, { named: options.tasks, knnK: settings.knnK }, tell),
    cache: new FeatureCache(cacheFolder(options.run, loaded.runDir), tell),
    transform: options.settings?.transform ?? configSchema.parse({}).transform,
  };
  const renderedBefore = data.renderSeconds;
  const { tasks, numReadable } = await evaluateEncoder(loaded, 'trained', questions);
  const baseline = options.baseline === undefined ? undefined : await evaluateUntrained(options.run, questions);
  addSeconds('rendering', data.renderSeconds - renderedBefore);

  const report: EvalReport = {
    version: REPORT_VERSION,
    source: loaded.source,
    ...(loaded.step !== undefined && { step: loaded.step }),
    features: kind,
    data: {
      train: describePart(data.train, numReadable.train),
      test: describePart(data.test, numReadable.test),
      numTrain: numReadable.train,
      numTest: numReadable.test,
      hash: photosHash(data),
    },
    tasks,
    ...(baseline !== undefined && { baseline }),
    seconds: (performance.now() - start) / 1000,
    timings,
  };
  if (reportPath !== undefined) writeReport(reportPath, report);
  return report;
}

/** The same questions to an encoder of the same shape, as it was drawn. */
async function evaluateUntrained(run: string, questions: EncoderQuestions): Promise<TaskReports> {
  const untrained = scope(() => loadEncoder(run, { random: UNTRAINED_SEED }));
  try {
    return (await evaluateEncoder(untrained, 'untrained', questions)).tasks;
  } finally {
    disposeNetwork(untrained);
  }
}

/** What is there by now stays beside it: another evaluation may have written meanwhile. */
function writeReport(path: string, report: EvalReport): void {
  const earlier = readEarlier(path, () => undefined);
  const whole = earlier === undefined ? report : withEarlier(report, earlier);
  writeAtomic(path, `${JSON.stringify(whole, undefined, 2)}\n`);
}

/** The report that is at the path; one that cannot be read will be replaced, and that is told. */
function readEarlier(path: string, tell: (text: string) => void): EvalReport | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return readVersioned(path, REPORT_VERSION) as EvalReport;
  } catch (error) {
    tell(`${reasonOf(error)}; this evaluation takes its place`);
    return undefined;
  }
}

/** The report, with the tasks that an earlier one has asked of the same weights and the same photos, and this one has not. */
function withEarlier(report: EvalReport, { step, data, tasks, baseline }: EvalReport): EvalReport {
  if (step !== report.step || data.hash !== report.data.hash) return report;
  const beside = { ...baseline, ...report.baseline };
  return {
    ...report,
    tasks: { ...tasks, ...report.tasks },
    ...(Object.keys(beside).length > 0 && { baseline: beside }),
  };
}

/** The part in words, with what had to be left out. */
function describePart({ description, indices }: EvaluationPart, numReadable: number): string {
  const numBad = indices.length - numReadable;
  return numBad === 0 ? description : `${description}; ${numBad} unreadable photos left out`;
}

function openPhotos(options: EvaluateOptions, config: Config): EvaluationData {
  return new EvaluationData({
    train: options.train,
    ...(options.test === undefined ? {} : { test: options.test }),
    ...(options.maxPhotos === undefined ? {} : { maxPhotos: options.maxPhotos }),
    data: options.settings?.data ?? config.data,
  });
}

function reportPathOf(runDir: string | undefined, kind: FeatureKind, step: number | undefined): string | undefined {
  if (runDir === undefined) return undefined;
  return join(runDir, 'reports', step === undefined ? `eval-${kind}.json` : `eval-${kind}-step-${step}.json`);
}

/** RUN/cache, or a folder next to a file of weights. */
function cacheFolder(source: string, runDir: string | undefined): string {
  return runDir === undefined ? `${source}.cache` : join(runDir, 'cache');
}

/** A report that cannot be written at the end would waste everything before it. */
function requireWritable(path: string): void {
  try {
    makeFolder(dirname(path));
    accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    throw new RunError(
      `eval: the run's folder must be writable for the report, got ${reasonOf(error)}; ` +
        'change its permissions, or evaluate a copy',
    );
  }
}
