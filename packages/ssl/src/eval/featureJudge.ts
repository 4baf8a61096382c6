/**
 * What an encoder's features are worth on the photos of its own run, before training and after it: k-NN where the photos have classes,
 * which training never sees, else the effective rank. Both come with what a paired interval of the difference needs.
 */
import { DataError } from '../errors.js';
import type { FeatureFigure, FigureChange, NoFigure } from '../protocol/init.js';
import type { FrozenNetwork } from '../run/loadEncoder.js';
import { allFeatures } from './allFeatures.js';
import { EvaluationData } from './evaluationData.js';
import { jackknifeInterval, pairedTop1Difference } from './intervals.js';
import { crossValidatedKnnOf } from './knn/crossValidate.js';
import { classProblem } from './photoClasses.js';
import { rank } from './rank/rank.js';

/** Photos asked about at most, of each of the two parts: as much work as some 10 steps of training at a batch of 64. */
const MAX_PHOTOS = 2000;

/** Photos asked about at least: the rank of fewer has no interval. */
const LEAST_PHOTOS = 20;

/** What the figure is made of: the encoder's own features, since the adapter of a run that begins is new. */
type OwnFeatures = 'cls' | 'mean';

/** Measures and compares; handed to the training, which does not know evaluation. */
export const featureJudge = {
  /**
   * @param data photos, those that the network is trained on
   * @returns no figure where photos are too few: training has no need of one
   */
  async measure(network: FrozenNetwork, data: readonly string[]): Promise<FeatureFigure | NoFigure> {
    const { config } = network;
    const photos = new EvaluationData({ train: data, data: config.data, maxPhotos: MAX_PHOTOS });
    const features = config.eval.features === 'cls' ? 'cls' : 'mean';
    const isKnn = classProblem(photos) === undefined;
    const numPhotos = photos.train.indices.length + photos.test.indices.length;
    // Neighbours come from all folds but one, which are well above half of the photos.
    const least = isKnn ? Math.max(LEAST_PHOTOS, 2 * config.eval.knnK) : LEAST_PHOTOS;
    if (numPhotos < least) {
      const what = isKnn ? `k-NN with eval.knnK ${config.eval.knnK}` : 'the effective rank';
      return { kind: 'none', reason: `${what} needs at least ${least} photos, got ${numPhotos}` };
    }
    const figure = isKnn ? knnFigure : rankFigure;
    return figure(network, photos, features);
  },

  /** After minus before. Throws DataError unless both were asked about the same number of photos. */
  compare(before: FeatureFigure, after: FeatureFigure): FigureChange {
    if (before.kind !== after.kind || before.numPhotos !== after.numPhotos) {
      throw new DataError(
        `init: both ends of a run must be measured on the same photos, got ${before.numPhotos} (${before.kind}) at its start and ` +
          `${after.numPhotos} (${after.kind}) at its end; put them back as they were and go on with --resume`,
      );
    }
    if (before.kind === 'knn') {
      return pairedTop1Difference([[Uint8Array.from(before.outcomes), Uint8Array.from(after.outcomes)]]);
    }
    const difference = after.value - before.value;
    const differences = after.outcomes.map((outcome, group) => outcome - (before.outcomes[group] ?? NaN));
    return { difference, interval: jackknifeInterval(difference, differences) };
  },
};

async function knnFigure(
  network: FrozenNetwork,
  photos: EvaluationData,
  features: OwnFeatures,
): Promise<FeatureFigure> {
  const { top1, right, protocol } = await crossValidatedKnnOf(network, { photos, features });
  return { kind: 'knn', value: top1, outcomes: [...right], numPhotos: right.length, protocol };
}

async function rankFigure(network: FrozenNetwork, photos: EvaluationData, kind: OwnFeatures): Promise<FeatureFigure> {
  const { features, ids } = await allFeatures(network, photos, kind); // [n, D]
  try {
    const { effectiveRank, pseudoValues, protocol } = rank(features);
    return {
      kind: 'effectiveRank',
      value: effectiveRank,
      outcomes: pseudoValues,
      numPhotos: ids.length,
      protocol: `${protocol}; features "${kind}"`,
    };
  } finally {
    features.dispose();
  }
}
