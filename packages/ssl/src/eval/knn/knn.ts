/**
 * k-NN classification on frozen features (DINOv2 `eval/knn.py`, iBOT `knn_classifier`): L2-normalised,
 * similarity = dot product, a neighbour votes exp(similarity / T), T = 0.07. Nothing is trained or chosen.
 *
 * n training photos, m test photos, D features, k neighbours, L classes.
 */
import { argmaxOfRows } from '../argmaxOfRows.js';
import { noGrad, scope, tensor, zeros, type Tensor } from '@halfway/torch';
import { DataError } from '../../errors.js';
import type { KnnReport } from '../../protocol/report.js';
import { outcomesOf, top1Of, TOP1_INTERVAL_TEXT } from '../top1.js';

/** Temperature of the votes. */
export const KNN_TEMPERATURE = 0.07;

/** Test photos compared with all training photos at a time. */
const CHUNK_QUERIES = 512;

/** Features of labelled photos: f32 [n, D] and a class in 0 .. L - 1 for each. */
export interface LabelledFeatures {
  readonly features: Tensor;
  readonly labels: Int32Array;
}

/** A k-NN report with the outcome of each test photo (1: right), for paired comparisons. */
export interface KnnResult extends KnnReport {
  readonly right: Uint8Array;
}

/**
 * Top-1 of the test photos against the training photos.
 * @throws DataError when there are fewer training photos than neighbours
 */
export function knn(train: LabelledFeatures, test: LabelledFeatures, k: number): KnnResult {
  requireNeighbours(train.labels.length, k);
  const right = scope(() => {
    const keys = normalizeRows(train.features);
    return outcomesOf(classify(keys, train.labels, normalizeRows(test.features), k), test.labels);
  });
  return report(right, k, `${protocolOf(k)}; ${train.labels.length} training photos, ${right.length} test photos`);
}

/**
 * Top-1 of every photo against the photos of the other folds, for sets too small for one test part.
 * @param folds the fold of each photo, as made by `foldsById`
 * @throws DataError when a fold leaves fewer photos than neighbours
 */
export function knnCrossValidated(photos: LabelledFeatures, folds: Int32Array, k: number): KnnResult {
  const numFolds = folds.reduce((most, fold) => Math.max(most, fold + 1), 0);
  const right = new Uint8Array(photos.labels.length);
  scope(() => {
    const keys = normalizeRows(photos.features);
    for (let fold = 0; fold < numFolds; fold++) {
      const inside = positions(folds, (f) => f === fold);
      const outside = positions(folds, (f) => f !== fold);
      if (inside.length === 0) continue;
      requireNeighbours(outside.length, k);
      const trainLabels = pick(photos.labels, outside);
      scope(() => {
        const predicted = classify(
          keys.indexSelect(0, tensor(outside)),
          trainLabels,
          keys.indexSelect(0, tensor(inside)),
          k,
        );
        const outcomes = outcomesOf(predicted, pick(photos.labels, inside));
        inside.forEach((photo, i) => (right[photo] = outcomes[i] ?? 0));
      });
    }
  });
  return report(
    right,
    k,
    `${protocolOf(k)}; cross-validated: each of ${right.length} photos against the photos of the other ${numFolds - 1} of ${numFolds} folds (by hash of the id)`,
  );
}

/** Classes of normalised queries [m, D] voted by the k nearest of the keys [n, D]; ties go to the lower class. */
function classify(keys: Tensor, labels: Int32Array, queries: Tensor, k: number): Int32Array {
  const numClasses = labels.reduce((most, label) => Math.max(most, label + 1), 0);
  const predicted = new Int32Array(queries.shape[0] ?? 0);
  noGrad(() => {
    const keyLabels = tensor(labels).to('int64'); // [n]
    for (let first = 0; first < predicted.length; first += CHUNK_QUERIES) {
      scope(() => {
        const count = Math.min(CHUNK_QUERIES, predicted.length - first);
        const similarity = queries.narrow(0, first, count).matmul(keys.t()); // [q, n]
        const [nearest, index] = similarity.topk(k, 1); // [q, k]
        const votes = nearest.div(KNN_TEMPERATURE).exp();
        const classes = keyLabels.indexSelect(0, index.flatten()).reshape([count, k]);
        const scores = zeros([count, numClasses]).scatterAdd_(1, classes, votes); // [q, L]
        predicted.set(argmaxOfRows(scores), first);
      });
    }
  });
  return predicted;
}

/** x / max(|x|, 1e-12) by row (PyTorch's `normalize`). */
function normalizeRows(features: Tensor): Tensor {
  return features.div(features.square().sum([1], true).sqrt().clamp(1e-12));
}

function positions(folds: Int32Array, wanted: (fold: number) => boolean): Int32Array {
  return Int32Array.from(folds.keys()).filter((photo) => wanted(folds[photo] ?? -1));
}

function pick(values: Int32Array, at: Int32Array): Int32Array {
  return at.map((position) => values[position] ?? 0);
}

/** Why training photos do not do for k-NN; undefined where they do. */
export function neighbourProblem(numPhotos: number, k: number): string | undefined {
  if (numPhotos >= k) return undefined;
  return `needs at least as many training photos as neighbours, got ${numPhotos} photos and k = ${k}`;
}

/** @throws DataError with the problem of `neighbourProblem` */
export function requireNeighbours(numPhotos: number, k: number): void {
  const problem = neighbourProblem(numPhotos, k);
  if (problem !== undefined) throw new DataError(`knn: ${problem}; add photos or lower eval.knnK`);
}

function protocolOf(k: number): string {
  return `k-NN, k = ${k}, cosine similarity, votes exp(similarity / ${KNN_TEMPERATURE}), nothing chosen`;
}

function report(right: Uint8Array, k: number, protocol: string): KnnResult {
  return { ...top1Of(right), k, protocol: `${protocol}; ${TOP1_INTERVAL_TEXT}`, right };
}
