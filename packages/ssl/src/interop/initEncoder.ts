/** An encoder that starts from a file's weights. */
import { scope } from '@halfway/torch';
import { ConfigError, DataError } from '../errors.js';
import type { Encoder } from '../models/encoder.js';
import { Resnet18 } from '../models/resnet.js';
import { Vit } from '../models/vit.js';
import { type EncoderDiff, fitWeights } from './fitWeights.js';
import { formatNamed } from './formats.js';
import type { LoadedWeights, WeightsReport } from './loadWeights.js';
import { headsOf, misfitError } from './misfitError.js';

/**
 * Copies weights into an encoder, fitting what can be fitted: positions of another grid, a first convolution of another number of
 * channels, no LayerScale where the encoder has one. Mask token and registers that the file lacks stay as they were drawn.
 *
 * Throws, before anything is copied, ConfigError for an encoder of another kind, and DataError, with the settings that would fit, when
 * the encoder would not compute what the file's does: by its tensors, or by what is told beside the file.
 * @example const diff = initEncoder(encoder, await loadWeights('dinov2_vits14_pretrain.pth'));
 */
export function initEncoder(encoder: Encoder, weights: LoadedWeights): EncoderDiff {
  const { report, tensors } = weights;
  const taker = ofKind(encoder, report);
  if (taker instanceof Vit) requireGelu(weights);
  return scope(() => {
    const fitted = fitWeights(taker, tensors);
    const diff = fitted.map(({ name, standing, note }) => ({ name, standing, note }));
    const hasOtherHeads = taker instanceof Vit && (report.told?.numHeads ?? headsOf(taker)) !== headsOf(taker);
    if (hasOtherHeads || diff.some(({ standing }) => standing === 'unfit')) throw misfitError(taker, weights, diff);
    encoder.loadStateDict(
      new Map(fitted.flatMap(({ name, tensor }) => (tensor === undefined ? [] : [[name, tensor]]))),
      { strict: false },
    );
    return diff;
  });
}

const KINDS = {
  vit: { is: Vit, noun: 'a vision transformer' },
  resnet18: { is: Resnet18, noun: 'a ResNet-18' },
} as const;

/** The encoder, which is of the kind that the weights are of. */
function ofKind(encoder: Encoder, { path, format }: WeightsReport): Vit | Resnet18 {
  const { kind } = formatNamed(format);
  const { is, noun } = KINDS[kind];
  if (encoder instanceof is) return encoder;
  throw new ConfigError(`${path}: weights are of ${noun}, got another encoder; set model.kind=${kind}`, 'model.kind');
}

/** The exact GELU by the names that it has in timm and transformers. */
const GELU = new Set(['gelu', 'gelu_python']);

function requireGelu({ tensors, report: { path, told } }: LoadedWeights): void {
  const isGated = tensors.has('blocks.0.mlp.w3.weight');
  if (isGated || told?.activation === undefined || GELU.has(told.activation)) return;
  throw new DataError(
    `${path}: an encoder's MLP must have GELU, got ${told.activation} in ${told.path}; take another file`,
    { path },
  );
}
