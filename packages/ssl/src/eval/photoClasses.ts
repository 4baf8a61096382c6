/** The classes of an evaluation's photos, and whether they do for k-NN and the linear probe. */
import type { SampleLocation } from '../data/sources/source.js';
import { DataError } from '../errors.js';
import type { EvaluationData, EvaluationPart } from './evaluationData.js';

/** Why the photos do not do. */
export interface ClassProblem {
  /** What must hold, and what was given. */
  readonly rule: string;
  readonly remedy: string;
  /** The first photo that breaks the rule. */
  readonly sample?: SampleLocation;
}

const NEEDS_FOLDERS = 'put the photos of each class into a sub-folder of its own';

/**
 * What k-NN and the linear probe lack, undefined where nothing: two classes or more, as many training photos as classes, and for each
 * photo that is used a class that the training photos have.
 */
export function classProblem({ train, test }: EvaluationData): ClassProblem | undefined {
  const { classNames, paths, samples } = train.source;
  const isSome = train.selection !== undefined;
  // Numbers of classes, and a class file, can name some that no photo has.
  const used = new Set(Array.from(train.indices, (index) => classOf(train, index)));
  const numClasses = new Set(samples.map(({ label }) => label)).size;
  if (used.size < 2) {
    const [one = 'no classes'] = [...used].map((name) => name && `the one class ${name}`);
    return {
      rule: `the photos need at least two classes, got ${one} in ${paths.join(', ')}`,
      remedy: isSome && numClasses > 1 ? 'allow more with --photos' : NEEDS_FOLDERS,
    };
  }
  if (train.indices.length < numClasses) {
    return {
      rule: `at least one photo of each class is needed, got ${train.indices.length} of ${numClasses} classes`,
      remedy: isSome ? 'allow more with --photos' : 'add photos',
    };
  }
  const known = new Set<string | undefined>(classNames);
  for (const part of [train, test]) {
    const other = part.indices.find((index) => !known.has(classOf(part, index)));
    if (other !== undefined) return otherClass(part, other);
  }
  return undefined;
}

/**
 * Says before any work whether the classes that k-NN and the linear probe need are there.
 * @throws DataError with the problem of `classProblem`
 */
export function requireClasses(data: EvaluationData): void {
  const problem = classProblem(data);
  if (problem !== undefined) throw errorOf(problem);
}

/**
 * Classes of photos by their positions in the source, numbered as in `classNames`.
 * @throws DataError when a photo has no class, or one that `classNames` does not hold
 */
export function labelsOf(part: EvaluationPart, indices: Int32Array, classNames: readonly string[]): Int32Array {
  const numbers = new Map<string | undefined, number>(classNames.map((name, label) => [name, label]));
  return indices.map((index) => {
    const label = numbers.get(classOf(part, index));
    if (label === undefined) throw errorOf(otherClass(part, index));
    return label;
  });
}

/** By its name: the same class has other numbers in other sources. */
function classOf({ source }: EvaluationPart, index: number): string | undefined {
  const label = source.samples[index]?.label;
  return label === undefined ? undefined : source.classNames[label];
}

function otherClass(part: EvaluationPart, index: number): ClassProblem {
  const sample = part.source.samples[index];
  return {
    rule: `every ${part.name} photo needs a class that the training photos have, got ${classOf(part, index) ?? 'none'} for ${sample?.id ?? ''}`,
    remedy: NEEDS_FOLDERS,
    ...(sample === undefined ? {} : { sample }),
  };
}

function errorOf({ rule, remedy, sample }: ClassProblem): DataError {
  return new DataError(
    `knn, linear: ${rule}; ${remedy}, or evaluate with --tasks r2,rank`,
    sample === undefined ? {} : { sampleId: sample.id, path: sample.path },
  );
}
