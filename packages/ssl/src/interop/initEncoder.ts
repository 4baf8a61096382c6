/** An encoder that starts from a file's weights. */
import { scope } from '@halfway/torch';
import { ConfigError, DataError } from '../errors.js';
import type { Encoder } from '../models/encoder.js';
import { Vit } from '../models/vit.js';
import { describeUnfit } from './describeFit.js';
import { type EncoderDiff, fitWeights } from './fitWeights.js';
import type { LoadedWeights } from './loadWeights.js';
import { publishedHeads, type ShapeSettings, shapeSettings } from './vitSettings.js';

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
    if (diff.some(({ standing }) => standing === 'unfit')) throw unfitError(report.path, diff, { encoder, tensors });
    encoder.loadStateDict(
      new Map(fitted.flatMap(({ name, tensor }) => (tensor === undefined ? [] : [[name, tensor]]))),
      { strict: false },
    );
    return diff;
  });
}

/** What differs, and the settings by which the encoder would be the file's; where no settings would help, the tensors that are wrong. */
function unfitError(
  path: string,
  diff: EncoderDiff,
  { encoder, tensors }: { readonly encoder: Vit; readonly tensors: LoadedWeights['tensors'] },
): DataError {
  const [own, wanted] = [shapeSettings(encoder.stateDict()), shapeSettings(tensors)];
  const fitsAnyway = (key: keyof ShapeSettings): boolean =>
    key === 'imagePx' || ((key === 'numRegisters' || key === 'layerScale') && wanted[key] === 0);
  const differing = (Object.keys(wanted) as (keyof ShapeSettings)[]).filter(
    (key) => own[key] !== wanted[key] && !fitsAnyway(key),
  );
  if (differing.length === 0 || differing.some((key) => wanted[key] === 0)) {
    return new DataError(`${path}: weights must fit the encoder, got ${describeUnfit(diff)}; take another file`, {
      path,
    });
  }
  const differences = differing.map((key) => `${key} ${wanted[key]} where it has ${own[key]}`).join(', ');
  return new DataError(
    `${path}: weights must fit the encoder, got ${differences}; add ${advice(own, wanted, differing)}`,
    {
      path,
    },
  );
}

/** The `--set` flags that make an encoder of the shape `own` one of the shape `wanted`. */
function advice(own: ShapeSettings, wanted: ShapeSettings, differing: readonly (keyof ShapeSettings)[]): string {
  const { widthDim, depth, patch } = wanted;
  const isOtherSize = widthDim !== own.widthDim || depth !== own.depth;
  const numHeads = publishedHeads(widthDim);
  const settings = {
    ...(isOtherSize && { size: 'custom', widthDim, depth, numHeads: numHeads ?? 'H' }),
    ...Object.fromEntries(differing.map((key) => [key, wanted[key]])),
    ...(own.imagePx % patch !== 0 && { imagePx: Math.ceil(own.imagePx / patch) * patch }),
  };
  const flags = Object.entries(settings).map(([key, value]) => `--set model.${key}=${value}`);
  const isUnknown = isOtherSize && numHeads === undefined;
  return flags.join(' ') + (isUnknown ? ', with the H attention heads of the file, which weights do not tell' : '');
}
