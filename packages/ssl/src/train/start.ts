/** A run that starts from weights: how they get into its networks, and what it says of them at its start and at its end. */
import type { Config } from '../config/schema.js';
import { describeFit, describeHeads, describeSource } from '../interop/describeFit.js';
import { initEncoder } from '../interop/initEncoder.js';
import type { LoadedWeights, WeightsReport } from '../interop/loadWeights.js';
import { publishedHeads } from '../interop/vitSettings.js';
import { type VitConfig, vitConfig } from '../models/vit.js';
import type { Objective } from '../objectives/objective.js';
import type { FeatureFigure, FigureChange, InitReport, NoFigure } from '../protocol/init.js';

/**
 * Puts a file's weights in the place of those that the encoder was drawn with; a teacher begins equal. Adapter, heads and decoders stay
 * new. Returns where the weights came from and what became of each, for people.
 *
 * Throws what `initEncoder` throws, before anything is changed.
 */
export function startFrom({ network, teacher }: Objective, weights: LoadedWeights, model: Config['model']): string {
  if (network.encoder === undefined) throw new Error('internal: start: the objective has no encoder');
  const diff = initEncoder(network.encoder, weights);
  teacher?.network.loadStateDict(network.stateDict(), { strict: false }); // it has no mask token and no decoders
  const heads = model.kind === 'vit' ? [headsText(weights.report, vitConfig(model))] : [];
  return [describeSource(weights.report), describeFit(diff), ...heads].join('\n');
}

function headsText(report: WeightsReport, { widthDim, numHeads }: VitConfig): string {
  const published = publishedHeads(widthDim, report.prefix) ?? numHeads;
  const others = published === numHeads ? '' : `; published models of this width have ${published}`;
  return describeHeads(report, numHeads, `of the recipe, since no weights tell how many they were made with${others}`);
}

/** A figure in words. */
export function figureText({ kind, value, numPhotos }: FeatureFigure): string {
  const what = kind === 'knn' ? `k-NN top-1 ${value.toFixed(1)} %` : `effective rank ${value.toFixed(1)}`;
  return `${what} of ${numPhotos} photos`;
}

/** What the features that a run starts from are worth, or why nothing will be said of them. */
export function startFigureText(before: FeatureFigure | NoFigure): string {
  return before.kind === 'none'
    ? `whether the new weights are better will not be said: ${before.reason}`
    : `${figureText(before)}, before training`;
}

/** One sentence: whether the new weights are better than those that the run started from, by which figure, with its interval. */
export function verdictText(
  { weights, before }: Pick<InitReport, 'weights' | 'before'>,
  after: FeatureFigure,
  { difference, interval: { low, high } }: FigureChange,
): string {
  const isTold = low > 0 || high < 0;
  const verdict = isTold
    ? `${low > 0 ? 'better' : 'worse'} than`
    : 'neither better nor worse, as far as can be told, than';
  const signed = (value: number): string => `${value < 0 ? '' : '+'}${value.toFixed(1)}`;
  const change = `${before.value.toFixed(1)} to ${after.value.toFixed(1)}, ${signed(difference)} [${signed(low)}, ${signed(high)}]`;
  const advice = high < 0 ? '; keep those, or lower init.lrMult' : '';
  if (before.kind === 'knn') {
    return `the new weights are ${verdict} ${weights.file}: k-NN top-1 % of ${before.numPhotos} photos ${change}${advice}`;
  }
  return (
    `the new weights are ${isTold ? 'perhaps ' : ''}${verdict} ${weights.file}: effective rank over ${before.numPhotos} photos ${change}, ` +
    `a hint only, since photos without classes allow no k-NN${advice}`
  );
}
