/** Features of all photos of an evaluation, train and test together: for questions in which nothing is fitted. */
import { cat, type Tensor } from '@halfway/torch';
import { configSchema } from '../config/schema.js';
import type { FeatureKind } from '../protocol/report.js';
import type { FrozenNetwork } from '../run/loadEncoder.js';
import { type EvaluationData, idsOf } from './evaluationData.js';
import { FeatureCache } from './featureCache.js';
import { labelsOf } from './photoClasses.js';
import { PhotoFeatures } from './photoFeatures.js';

export interface AllFeatures {
  readonly features: Tensor; // f32 [n, D], on the CPU, in no scope
  /** Different for all photos. */
  readonly ids: readonly string[];
  /** Classes of the photos, numbered as in the source. Throws DataError when one has none. */
  readonly labels: () => Int32Array;
}

/** Encodes the central square of every photo that can be read, on the device that the network is on. */
export async function allFeatures(
  network: FrozenNetwork,
  data: EvaluationData,
  kind: FeatureKind,
): Promise<AllFeatures> {
  const features = new PhotoFeatures({
    ...{ network, data, kind, label: 'all', cache: new FeatureCache(undefined) },
    transform: configSchema.parse({}).transform,
    thetasPerImage: 1,
    onProgress: () => undefined,
    addSeconds: () => undefined,
  });
  try {
    const { train, test } = data;
    const { classNames } = train.source;
    const encoded = [
      { part: train, ...(await features.originals(train, 'zeros')) },
      { part: test, ...(await features.originals(test, 'zeros')) },
    ];
    return {
      features: cat(encoded.map(({ features: rows }) => rows)),
      // Ids repeat between sources ("0.jpg" in both); the part makes them differ.
      ids: encoded.flatMap(({ part, indices }) => idsOf(part, indices).map((id) => `${part.name}/${id}`)),
      labels: () => Int32Array.from(encoded.flatMap(({ part, indices }) => [...labelsOf(part, indices, classNames)])),
    };
  } finally {
    features.dispose();
  }
}
