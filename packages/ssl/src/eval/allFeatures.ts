/** Features of all photos of an evaluation, train and test together: for questions in which nothing is fitted. */
import { cat, type Tensor } from '@halfway/torch';
import type { FeatureKind } from '../protocol/report.js';
import type { FrozenNetwork } from '../run/loadEncoder.js';
import { type EvaluationData, type EvaluationPart, idsOf } from './evaluationData.js';
import { encodePhotos, type EncodedPhotos, encoderBatch, featureFunction } from './features.js';
import { labelsOf } from './photoClasses.js';
import { originalView } from './r2/borders.js';

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
  const { classNames } = data.train.source;
  const encoded: (EncodedPhotos & { readonly part: EvaluationPart })[] = [];
  try {
    for (const part of [data.train, data.test]) {
      encoded.push({ part, ...(await encodeSquares(network, data, part, kind)) });
    }
    return {
      features: cat(encoded.map(({ features }) => features)),
      // Ids repeat between sources ("0.jpg" in both); the part makes them differ.
      ids: encoded.flatMap(({ part, indices }) => idsOf(part, indices).map((id) => `${part.name}/${id}`)),
      labels: () => Int32Array.from(encoded.flatMap(({ part, indices }) => [...labelsOf(part, indices, classNames)])),
    };
  } finally {
    for (const { features } of encoded) features.dispose();
  }
}

function encodeSquares(
  network: FrozenNetwork,
  data: EvaluationData,
  part: EvaluationPart,
  kind: FeatureKind,
): Promise<EncodedPhotos> {
  const { imagePx } = network.config.model;
  return encodePhotos(
    data.squares(part, imagePx),
    part.indices.length,
    imagePx,
    (squares) => originalView(squares, imagePx),
    featureFunction(network, kind),
    encoderBatch(network.encoder),
  );
}
