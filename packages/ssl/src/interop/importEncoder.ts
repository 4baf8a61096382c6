/** A published encoder as one of ours: for evaluation, as a start, and on its way to another format. */
import * as torch from '@halfway/torch';
import { parseConfig } from '../config/parse.js';
import { ConfigError, DataError } from '../errors.js';
import { Adapter } from '../models/adapter.js';
import { createEncoder } from '../models/createEncoder.js';
import type { LoadedEncoder } from '../run/loadEncoder.js';
import type { EncoderDiff } from './fitWeights.js';
import { formatNamed } from './formats.js';
import { initEncoder } from './initEncoder.js';
import { type LoadedWeights, loadWeights, type WeightsReport } from './loadWeights.js';
import type { WeightChoice } from './recognise.js';
import { resnetSettings } from './resnetSettings.js';
import { publishedHeads, shapeSettings } from './vitSettings.js';

/** Sides of images that the stems of a ResNet-18 are for, where none is told. Sources: He et al. 2016; SimCLR on CIFAR-10. */
const RESNET_SIDES = { imagenet: 224, small: 32 } as const;

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
  const isResnet = formatNamed(report.format).kind === 'resnet18';
  const model = isResnet ? resnetModel(weights, choice) : vitModel(weights, choice);
  const config = parseConfig({ model, split: { location: 'backbone', equivariantDim: 0 } }, path);
  const rng = torch.generator(0);
  const encoder = createEncoder(config.model, rng);
  const adapter = new Adapter(encoder.widthDim, config.split, rng);
  rng.dispose();
  const diff = initEncoder(encoder, weights);
  for (const tensor of tensors.values()) tensor.dispose();
  return { encoder, adapter, config, runDir: undefined, source: path, report, diff };
}

/** The `model` section that the file's network was made with. */
function resnetModel({ tensors, report: { path, told } }: LoadedWeights, { numHeads }: ImportChoice): object {
  if (numHeads !== undefined) {
    throw new ConfigError(`${path}: a ResNet-18 has no attention heads, got --heads ${numHeads}; leave it out`);
  }
  const resnet = resnetSettings(tensors) ?? ({ stem: 'imagenet' } as const);
  const imagePx = told?.imagePx ?? RESNET_SIDES[resnet.stem];
  return { kind: 'resnet18', imagePx, resnet };
}

/** The same of a vision transformer. */
function vitModel({ tensors, report }: LoadedWeights, { numHeads }: ImportChoice): object {
  requireVit(tensors, report);
  const shape = shapeSettings(tensors);
  // DINO, iBOT and DINOv2 resize positions by a scale; DINOv2's models with registers, timm and transformers to a size (of which
  // transformers' models without registers do not filter what they shrink: docs/open-points.md).
  const byFormat = report.format.startsWith('dino') && shape.numRegisters === 0 ? 'offset' : 'size';
  const positionResize = report.told?.positionResize ?? byFormat;
  return { ...shape, numHeads: headsOf(report, shape.widthDim, numHeads), positionResize };
}

/** Ranks of the tensors that sizes are taken from: a network that lacks one is told before any is. */
const VIT_RANKS = { 'patch_embed.proj.weight': 4, pos_embed: 3, 'blocks.0.attn.qkv.weight': 2 };

function requireVit(tensors: LoadedWeights['tensors'], { path, format }: WeightsReport): void {
  const missing = Object.entries(VIT_RANKS).flatMap(([name, rank]) => (tensors.get(name)?.rank === rank ? [] : [name]));
  if (missing.length === 0) return;
  throw new DataError(
    `${path}: a vision transformer must have ${missing.join(', ')}, got none of the kind (read as ${format}); it is another network`,
    { path },
  );
}

function headsOf({ path, prefix, told }: WeightsReport, widthDim: number, said: number | undefined): number {
  if (said !== undefined && told?.numHeads !== undefined && said !== told.numHeads) {
    throw new ConfigError(
      `${path}: the number of heads must be that of ${told.path}, ${told.numHeads}, got --heads ${said}; leave it out, or mend that file`,
      'model.numHeads',
    );
  }
  const numHeads = said ?? told?.numHeads ?? publishedHeads(widthDim, prefix);
  if (numHeads !== undefined) return numHeads;
  throw new ConfigError(
    `${path}: the number of heads must be said, since no published ViT has the width ${widthDim}; for example --heads ${Math.ceil(widthDim / 64)}`,
    'model.numHeads',
  );
}
