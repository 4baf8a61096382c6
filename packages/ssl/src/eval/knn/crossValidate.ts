/**
 * k-NN over all photos of an evaluation, train and test together, each asked of the other folds: the steadier number where
 * the test part is small. Nothing is chosen, so no photo needs to be kept apart.
 */
import { cat, scope } from '@halfway/torch';
import { configSchema } from '../../config/schema.js';
import type { FeatureKind } from '../../protocol/report.js';
import { loadEncoder } from '../../run/loadEncoder.js';
import { idsOf, labelsOf, requireClasses, type EvaluationData } from '../evaluationData.js';
import { FeatureCache } from '../featureCache.js';
import { disposeNetwork } from '../features.js';
import { foldsById } from '../partition.js';
import { PhotoFeatures } from '../photoFeatures.js';
import { knnCrossValidated, type KnnResult } from './knn.js';

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
 * Top-1 over all photos; `right` has one entry a photo, so that two encoders can be compared photo by photo.
 *
 * @example
 * const [base, task] = [await crossValidatedKnn({ run: a, photos }), await crossValidatedKnn({ run: b, photos })];
 * const { difference, interval } = pairedTop1Difference([[base.right, task.right]]);
 */
export async function crossValidatedKnn(options: CrossValidatedKnnOptions): Promise<KnnResult> {
  const { run, photos, random } = options;
  requireClasses(photos);
  const network = scope(() => loadEncoder(run, random === undefined ? {} : { random }));
  const features = new PhotoFeatures({
    ...{ network, data: photos, label: 'cross-validated', cache: new FeatureCache(undefined) },
    kind: options.features ?? network.config.eval.features,
    transform: configSchema.parse({}).transform,
    thetasPerImage: 1,
    onProgress: () => undefined,
    addSeconds: () => undefined,
  });
  try {
    const train = await features.originals(photos.train, 'zeros');
    const test = await features.originals(photos.test, 'zeros');
    const { classNames } = photos.train.source;
    const labels = [
      ...labelsOf(photos.train, train.indices, classNames),
      ...labelsOf(photos.test, test.indices, classNames),
    ];
    // Ids repeat between sources ("0.jpg" in both); the part makes them differ.
    const ids = [photos.train, photos.test].flatMap((part) =>
      idsOf(part, (part.name === 'train' ? train : test).indices).map((id) => `${part.name}/${id}`),
    );
    return scope(() =>
      knnCrossValidated(
        { features: cat([train.features, test.features]), labels: Int32Array.from(labels) },
        foldsById(ids, options.numFolds ?? NUM_FOLDS),
        options.k ?? network.config.eval.knnK,
      ),
    );
  } finally {
    features.dispose();
    disposeNetwork(network);
  }
}
