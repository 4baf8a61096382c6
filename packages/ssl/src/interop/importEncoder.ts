/** A published encoder as one of ours: for evaluation, as a start, and on its way to another format. */
import * as torch from '@halfway/torch';
import { parseConfig } from '../config/parse.js';
import { ConfigError } from '../errors.js';
import { Adapter } from '../models/adapter.js';
import { Vit, vitConfig } from '../models/vit.js';
import type { LoadedEncoder } from '../run/loadEncoder.js';
import type { EncoderDiff } from './fitWeights.js';
import { initEncoder } from './initEncoder.js';
import { loadWeights, type WeightsReport } from './loadWeights.js';
import type { WeightChoice } from './recognise.js';
import { publishedHeads, shapeSettings } from './vitSettings.js';

export interface ImportChoice extends WeightChoice {
  /** Attention heads, which weights do not tell. Default: those told beside the file, else of the published ViTs of this width. */
  readonly numHeads?: number;
}

export interface ImportedEncoder extends LoadedEncoder {
  readonly report: WeightsReport;
  readonly diff: EncoderDiff;
}

/**
 * The encoder of a file of weights, at the size that they have. It has no adapter: the features are the encoder's own, not split.
 *
 * Throws what `loadWeights` throws, DataError when tensors are missing or fit no encoder, and ConfigError when the number of heads is
 * to be said, or another than is told.
 */
export async function importEncoder(path: string, choice: ImportChoice = {}): Promise<ImportedEncoder> {
  const weights = await loadWeights(path, choice);
  const { tensors, report } = weights;
  const shape = shapeSettings(tensors);
  const { widthDim } = shape;
  const numHeads = headsOf(report, widthDim, choice.numHeads);
  // DINO, iBOT and DINOv2 resize positions by a scale; DINOv2's models with registers, timm and transformers to a size.
  const byFormat = report.format.startsWith('dino') && shape.numRegisters === 0 ? 'offset' : 'size';
  const positionResize = report.told?.positionResize ?? byFormat;
  const split = { location: 'backbone', equivariantDim: 0 };
  const config = parseConfig({ model: { ...shape, numHeads, positionResize }, split }, path);
  const rng = torch.generator(0);
  const encoder = new Vit(vitConfig(config.model), rng);
  const adapter = new Adapter(widthDim, config.split, rng);
  rng.dispose();
  const diff = initEncoder(encoder, weights);
  for (const tensor of tensors.values()) tensor.dispose();
  return { encoder, adapter, config, runDir: undefined, source: path, report, diff };
}

function headsOf({ path, told }: WeightsReport, widthDim: number, said: number | undefined): number {
  if (said !== undefined && told?.numHeads !== undefined && said !== told.numHeads) {
    throw new ConfigError(
      `${path}: the number of heads must be that of ${told.path}, ${told.numHeads}, got --heads ${said}; leave it out, or mend that file`,
      'model.numHeads',
    );
  }
  const numHeads = said ?? told?.numHeads ?? publishedHeads(widthDim);
  if (numHeads !== undefined) return numHeads;
  throw new ConfigError(
    `${path}: the number of heads must be said, since no published ViT has the width ${widthDim}; for example --heads ${Math.ceil(widthDim / 64)}`,
    'model.numHeads',
  );
}
