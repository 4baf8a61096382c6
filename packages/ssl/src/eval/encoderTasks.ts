/**
 * Every task that was asked for, for one frozen encoder.
 */
import { cat, scope, tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { EVAL_TASKS, type EvalTask, type TaskReports } from '../protocol/report.js';
import { idsOf, type EvaluationData, type EvaluationPart } from './evaluationData.js';
import { knn, type LabelledFeatures, neighbourProblem, requireNeighbours } from './knn/knn.js';
import { linearProbe } from './linear/linear.js';
import { partitionById, VALIDATION_FRACTION } from './partition.js';
import { classProblem, labelsOf, requireClasses } from './photoClasses.js';
import type { PhotoFeatures } from './photoFeatures.js';
import type { ProgressListener } from './progress.js';
import { rank } from './rank/rank.js';
import { runR2, type R2Questions } from './r2/runR2.js';

export interface EncoderTasksOptions {
  readonly tasks: readonly EvalTask[];
  readonly features: PhotoFeatures;
  readonly data: EvaluationData;
  readonly settings: Config['eval'];
  /** What the task `r2` asks. */
  readonly questions: R2Questions;
  readonly onProgress: ProgressListener;
  /** Adds seconds to a part of the evaluation. */
  readonly addSeconds: (part: string, seconds: number) => void;
}

/**
 * The tasks that were named, else all that the photos allow; `tell` hears what is left out, and why. Throws DataError where named ones need
 * classes, or neighbours, that the photos do not have.
 */
export function tasksFor(
  data: EvaluationData,
  { named, knnK }: { readonly named: readonly EvalTask[] | undefined; readonly knnK: number },
  tell: (text: string) => void,
): readonly EvalTask[] {
  const numPhotos = data.train.indices.length;
  const needsClasses = (task: EvalTask): boolean => task === 'knn' || task === 'linear';
  if (named !== undefined) {
    if (named.some(needsClasses)) requireClasses(data);
    if (named.includes('knn')) requireNeighbours(numPhotos, knnK);
    return named;
  }
  const ofClasses = classProblem(data);
  if (ofClasses !== undefined) {
    tell(`knn and linear are left out: ${ofClasses.rule}`);
    return EVAL_TASKS.filter((task) => !needsClasses(task));
  }
  const ofNeighbours = neighbourProblem(numPhotos, knnK);
  if (ofNeighbours === undefined) return EVAL_TASKS;
  tell(`knn is left out: ${ofNeighbours}`);
  return EVAL_TASKS.filter((task) => task !== 'knn');
}

/** Runs the tasks in a fixed order and leaves the features in `options.features`. */
export async function runEncoderTasks(options: EncoderTasksOptions): Promise<TaskReports> {
  const { tasks } = options;
  const r2 = tasks.includes('r2') ? await runR2(options) : undefined;
  const labelled = tasks.includes('knn') || tasks.includes('linear') ? await labelledParts(options) : undefined;
  const timed = <T>(part: string, work: () => T): T => {
    options.onProgress(part, true);
    const start = performance.now();
    const result = work();
    options.addSeconds(part, (performance.now() - start) / 1000);
    return result;
  };
  const withSelection = (protocol: string): string => [...options.data.selection, protocol].join('; ');
  const reports: { -readonly [Task in keyof TaskReports]: TaskReports[Task] } = {};
  if (r2 !== undefined) reports.r2 = { ...r2, protocol: withSelection(r2.protocol) };
  if (labelled !== undefined && tasks.includes('knn')) {
    const { top1, k, interval, protocol } = timed('knn', () =>
      knn(labelled.train, labelled.test, options.settings.knnK),
    );
    reports.knn = { top1, k, interval, protocol: withSelection(protocol) };
  }
  if (labelled !== undefined && tasks.includes('linear')) {
    const { top1, interval, protocol } = timed('linear', () => probe(labelled.train, labelled.test, labelled.trainIds));
    reports.linear = { top1, interval, protocol: withSelection(protocol) };
  }
  if (tasks.includes('rank')) {
    const { train, test } = options.data;
    const [ofTrain, ofTest] = [
      await options.features.originals(train, 'zeros'),
      await options.features.originals(test, 'zeros'),
    ];
    const { pseudoValues: _, ...report } = timed('rank', () =>
      scope(() => rank(cat([ofTrain.features, ofTest.features]))),
    );
    reports.rank = { ...report, protocol: withSelection(report.protocol) };
  }
  return reports;
}

/** Features and classes of both parts on the plain central squares. */
async function labelledParts({ data, features }: EncoderTasksOptions): Promise<{
  readonly train: LabelledFeatures;
  readonly test: LabelledFeatures;
  readonly trainIds: readonly string[];
}> {
  const { classNames } = data.train.source;
  const labelled = async (part: EvaluationPart): Promise<LabelledFeatures & { indices: Int32Array }> => {
    const { features: rows, indices } = await features.originals(part, 'zeros');
    return { features: rows, labels: labelsOf(part, indices, classNames), indices };
  };
  const train = await labelled(data.train);
  const test = await labelled(data.test);
  return { train, test, trainIds: idsOf(data.train, train.indices) };
}

/** The linear probe with the training photos split into fit and validation by image. */
function probe(
  train: LabelledFeatures,
  test: LabelledFeatures,
  ids: readonly string[],
): ReturnType<typeof linearProbe> {
  const { kept, heldOut } = partitionById(ids, VALIDATION_FRACTION, 'validation');
  return scope(() => {
    const pick = (images: Int32Array): LabelledFeatures => ({
      features: train.features.indexSelect(0, tensor(images)),
      labels: images.map((image) => train.labels[image] ?? 0),
    });
    return linearProbe(pick(kept), pick(heldOut), test);
  });
}
