/** An encoder that starts from a file's weights. */
import { scope } from '@halfway/torch';
import { ConfigError, DataError } from '../errors.js';
import type { Encoder } from '../models/encoder.js';
import { Vit } from '../models/vit.js';
import { describeUnfit } from './describeFit.js';
import { type EncoderDiff, fitWeights } from './fitWeights.js';
import type { LoadedWeights, WeightsReport } from './loadWeights.js';
import { publishedHeads, shapeSettings, type VitSettings } from './vitSettings.js';

/**
 * Copies weights into an encoder, fitting what can be fitted: positions of another grid, a patch embedding of another number of
 * channels, no LayerScale where the encoder has one. Mask token and registers that the file lacks stay as they were drawn.
 *
 * Throws, before anything is copied, ConfigError for an encoder that is no vision transformer, and DataError, with the settings that
 * would fit, when the encoder would not compute what the file's does: by its shapes, or by what is told beside the file.
 * @example const diff = initEncoder(encoder, await loadWeights('dinov2_vits14_pretrain.pth'));
 */
export function initEncoder(encoder: Encoder, { tensors, report }: LoadedWeights): EncoderDiff {
  if (!(encoder instanceof Vit)) {
    throw new ConfigError(
      `${report.path}: weights are of a vision transformer, got another encoder; set model.kind=vit`,
      'model.kind',
    );
  }
  const wanted = wantedSettings(tensors, report);
  requireGelu(report, wanted);
  return scope(() => {
    const fitted = fitWeights(encoder, tensors);
    const diff = fitted.map(({ name, standing, note }) => ({ name, standing, note }));
    const own = { ...shapeSettings(encoder.stateDict()), numHeads: encoder.blocks[0]?.attn.numHeads ?? 0 };
    const hasOtherHeads = (wanted.numHeads ?? own.numHeads) !== own.numHeads;
    if (hasOtherHeads || diff.some(({ standing }) => standing === 'unfit')) throw unfitError(report, diff, own, wanted);
    encoder.loadStateDict(
      new Map(fitted.flatMap(({ name, tensor }) => (tensor === undefined ? [] : [[name, tensor]]))),
      { strict: false },
    );
    return diff;
  });
}

/** Those of the file's network; heads where they are told. */
type WantedSettings = Omit<VitSettings, 'numHeads'> & Partial<Pick<VitSettings, 'numHeads'>>;

function wantedSettings(tensors: LoadedWeights['tensors'], { told }: WeightsReport): WantedSettings {
  return { ...shapeSettings(tensors), ...(told?.numHeads !== undefined && { numHeads: told.numHeads }) };
}

/** The exact GELU by the names that it has in timm and transformers. */
const GELU = new Set(['gelu', 'gelu_python']);

function requireGelu({ path, told }: WeightsReport, { ffn }: WantedSettings): void {
  if (ffn !== 'mlp' || told?.activation === undefined || GELU.has(told.activation)) return;
  throw new DataError(
    `${path}: an encoder's MLP must have GELU, got ${told.activation} in ${told.path}; take another file`,
    { path },
  );
}

/** What differs, and the settings by which the encoder would be the file's; where no settings would help, the tensors that are wrong. */
function unfitError(
  { path, told }: WeightsReport,
  diff: EncoderDiff,
  own: VitSettings,
  wanted: WantedSettings,
): DataError {
  const fitsAnyway = (key: keyof VitSettings): boolean =>
    key === 'imagePx' || ((key === 'numRegisters' || key === 'layerScale') && wanted[key] === 0);
  const differing = (Object.keys(wanted) as (keyof VitSettings)[]).filter(
    (key) => own[key] !== wanted[key] && !fitsAnyway(key),
  );
  if (differing.length === 0 || differing.some((key) => wanted[key] === 0)) {
    return new DataError(`${path}: weights must fit the encoder, got ${describeUnfit(diff)}; take another file`, {
      path,
    });
  }
  const source = (key: keyof VitSettings): string => (key === 'numHeads' && told ? ` in ${told.path}` : '');
  const differences = differing.map((key) => `${key} ${wanted[key]}${source(key)} where it has ${own[key]}`).join(', ');
  return new DataError(
    `${path}: weights must fit the encoder, got ${differences}; add ${advice(own, wanted, differing)}`,
    {
      path,
    },
  );
}

/** The `--set` flags that make an encoder of the settings `own` one of `wanted`. */
function advice(own: VitSettings, wanted: WantedSettings, differing: readonly (keyof VitSettings)[]): string {
  const { widthDim, depth, patch } = wanted;
  const isOtherSize = (['widthDim', 'depth', 'numHeads'] as const).some((key) => differing.includes(key));
  const numHeads = wanted.numHeads ?? publishedHeads(widthDim);
  const settings = {
    ...(isOtherSize && { size: 'custom', widthDim, depth, numHeads: numHeads ?? 'H' }),
    ...Object.fromEntries(differing.map((key) => [key, wanted[key]])),
    ...(own.imagePx % patch !== 0 && { imagePx: Math.ceil(own.imagePx / patch) * patch }),
  };
  const flags = Object.entries(settings).map(([key, value]) => `--set model.${key}=${value}`);
  const isUnknown = isOtherSize && numHeads === undefined;
  return flags.join(' ') + (isUnknown ? ', with the H attention heads of the file, which weights do not tell' : '');
}
