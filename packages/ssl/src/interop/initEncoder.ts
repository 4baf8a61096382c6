/** An encoder that starts from a file's weights. */
import { scope } from '@halfway/torch';
import { ConfigError, DataError } from '../errors.js';
import type { Encoder } from '../models/encoder.js';
import { Vit } from '../models/vit.js';
import { describeFit } from './describeFit.js';
import { type Fitted, fitWeights } from './fitWeights.js';
import type { LoadedWeights } from './loadWeights.js';
import { publishedHeads, shapeSettings } from './vitSettings.js';

/** Of each tensor of the encoder and of the file, what became of it. */
export type EncoderDiff = readonly Omit<Fitted, 'tensor'>[];

/**
 * Copies weights into an encoder, fitting what can be fitted: positions of another grid, a patch embedding of another number of
 * channels, no LayerScale where the encoder has one. Mask token and registers that the file lacks stay as they were drawn.
 *
 * Throws, before anything is copied, ConfigError for an encoder that is no vision transformer, and DataError, with the settings that
 * would fit, when the encoder would not compute what the file's does.
 * @example const diff = initEncoder(encoder, await loadWeights('dinov2_vits14_pretrain.pth'));
 */
export function initEncoder(encoder: Encoder, { tensors, report }: LoadedWeights): EncoderDiff {
  if (!(encoder instanceof Vit)) {
    throw new ConfigError(
      `${report.path}: weights are of a vision transformer, got another encoder; set model.kind=vit`,
      'model.kind',
    );
  }
  return scope(() => {
    const fitted = fitWeights(encoder, tensors);
    const diff = fitted.map(({ name, standing, note }) => ({ name, standing, note }));
    if (diff.some(({ standing }) => standing === 'unfit')) {
      const shape = shapeSettings(tensors);
      const settings = Object.entries({ ...shape, numHeads: publishedHeads(shape.widthDim) ?? '?' })
        .map(([key, value]) => `model.${key}=${value}`)
        .join(' ');
      throw new DataError(
        `${report.path}: weights must fit the encoder, got these differences; set ${settings}\n${describeFit(diff)}`,
        { path: report.path },
      );
    }
    encoder.loadStateDict(
      new Map(fitted.flatMap(({ name, tensor }) => (tensor === undefined ? [] : [[name, tensor]]))),
      { strict: false },
    );
    return diff;
  });
}
