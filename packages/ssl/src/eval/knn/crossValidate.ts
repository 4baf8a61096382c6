/**
 * k-NN over all photos of an evaluation, train and test together, each asked of the other folds: the steadier number where
 * the test part is small. Nothing is chosen, so no photo needs to be kept apart.
 */
import { scope } from '@halfway/torch';
import type { FeatureKind } from '../../protocol/report.js';
import { disposeNetwork, type FrozenNetwork, loadEncoder } from '../../run/loadEncoder.js';
import { allFeatures } from '../allFeatures.js';
import { type EvaluationData, requirePhotos } from '../evaluationData.js';
import { foldsById } from '../partition.js';
import { requireClasses } from '../photoClasses.js';
import { knnCrossValidated, type KnnResult, requireNeighbours } from './knn.js';

export interface CrossValidatedKnnOptions {
  /** A run folder, or a safetensors file of weights. */
  readonly run: string;
  readonly photos: EvaluationData;
  readonly numFolds?: number; // 10 by default
  readonly features?: FeatureKind; // the run's eval.features by default
  readonly k?: number; // the run's eval.knnK by default
  /** Seed of an untrained encoder of the same shape, in place of the run's weights. */
  readonly random?: number;
}

/** Folds where the caller names none. */
const NUM_FOLDS = 10;

/**
 * Says before any work whether the photos do.
 * @throws DataError where they are too few for neighbours in all folds but one, or for the classes
 */
export function requireCrossValidation(photos: EvaluationData, k: number): void {
  requirePhotos(photos);
  requireClasses(photos);
  // All folds but one are well above half of the photos.
  requireNeighbours(Math.floor((photos.train.indices.length + photos.test.indices.length) / 2), k);
}

/**
 * Top-1 over all photos; `right` has one entry a photo, so that two encoders can be compared photo by photo.
 *
 * @example
 * const [base, task] = [await crossValidatedKnn({ run: a, photos }), await crossValidatedKnn({ run: b, photos })];
 * const { difference, interval } = pairedTop1Difference([[base.right, task.right]]);
 */
export async function crossValidatedKnn({ run, random, ...options }: CrossValidatedKnnOptions): Promise<KnnResult> {
  const network = scope(() => loadEncoder(run, { random }));
  try {
    requireCrossValidation(options.photos, options.k ?? network.config.eval.knnK);
    return await crossValidatedKnnOf(network, options);
  } finally {
    disposeNetwork(network);
  }
}

/** The same of a network that is in memory, on the device that it is on. */
export async function crossValidatedKnnOf(
  network: FrozenNetwork,
  { photos, numFolds = NUM_FOLDS, features, k }: Omit<CrossValidatedKnnOptions, 'run' | 'random'>,
): Promise<KnnResult> {
  const { eval: settings } = network.config;
  const all = await allFeatures(network, photos, features ?? settings.features);
  try {
    const labelled = { features: all.features, labels: all.labels() };
    return scope(() => knnCrossValidated(labelled, foldsById(all.ids, numFolds), k ?? settings.knnK));
  } finally {
    all.features.dispose();
  }
}
