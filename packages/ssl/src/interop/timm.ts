/**
 * What timm's vision transformer does otherwise than ours, beside names: its position embedding has a row for each token before the
 * patches (class, registers) or for none of them, and a gated feed-forward part is named like a plain one.
 * Source: timm models/vision_transformer.py (_pos_embed, _convert_dinov2).
 *
 * D width, F hidden width, N patches, R registers.
 */
import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { z } from 'zod';
import { VIT_SIZES } from '../config/encoderSizes.js';
import { PIXEL_MEAN, PIXEL_STD } from '../config/pixelStatistics.js';
import { count, perChannel } from '../config/ranges.js';
import type { ToldSettings } from './toldSettings.js';
import { publishedHeads, type VitSettings } from './vitSettings.js';
import type { Shapes } from './weightFile.js';

type Tensors = ReadonlyMap<string, Tensor>;

/** Whether tensors of these names and shapes are to be read as timm's; where not, timm's names are DINO's and mean the same. */
export function isTimm(shapes: Shapes): boolean {
  return shapes.has('reg_token') || isGated(shapes) || hasNoClassPosition(shapes.get('pos_embed')?.[1] ?? 0, 0);
}

/** timm's tensors, which have our names already, as ours. */
export function readTimm(tensors: Tensors): Map<string, Tensor> {
  const isNamedPlain = isGated(new Map([...tensors].map(([name, { shape }]) => [name, shape])));
  const named = [...tensors].map(([name, tensor]) => [isNamedPlain ? gatedName(name) : name, tensor] as const);
  return new Map([...named, ...readPositions(tensors.get('pos_embed'), tensors.get('register_tokens'))]);
}

/** Our tensors as timm's, still under our names: registers get positions of zero; timm has no mask token. */
export function writeTimm(tensors: Tensors): Map<string, Tensor> {
  const written = new Map([...tensors].map(([name, tensor]) => [plainName(name), tensor]));
  written.delete('mask_token');
  const [positions, registers] = [tensors.get('pos_embed'), tensors.get('register_tokens')];
  if (positions && registers) {
    written.set(
      'pos_embed',
      torch.cat([positions.narrow(1, 0, 1), torch.zerosLike(registers), positions.slice(1, 1)], 1),
    );
  }
  return written;
}

/** Whether the feed-forward part is gated though its names are a plain one's. */
function isGated(shapes: Shapes): boolean {
  return [...shapes].some(([name, shape]) => {
    const second = shapes.get(name.replace(/fc1\.weight$/, 'fc2.weight')); // [D, F] beside [2F, D]
    return name.endsWith('.fc1.weight') && shape[0] === 2 * (second?.[1] ?? 0);
  });
}

/** Whether rows of positions are those of N patches alone, not of 1 + R + N tokens. N is a square, which tells the two apart. */
function hasNoClassPosition(numRows: number, numRegisters: number): boolean {
  const isSquare = (count: number): boolean => count > 0 && Number.isInteger(Math.sqrt(count));
  return isSquare(numRows) && !isSquare(numRows - 1 - numRegisters);
}

/**
 * [1, 1 + R + N, D] or [1, N, D] to ours, [1, 1 + N, D]. Positions of registers become part of them; a class token without a
 * position gets one of zero. Told apart with 4 registers from a grid of 4 x 4 patches on.
 */
function readPositions(positions: Tensor | undefined, registers: Tensor | undefined): [string, Tensor][] {
  if (positions === undefined) return [];
  const numRows = positions.shape[1] ?? 0;
  const numRegisters = registers?.shape[1] ?? 0;
  if (hasNoClassPosition(numRows, numRegisters)) {
    return [['pos_embed', torch.cat([torch.zerosLike(positions.narrow(1, 0, 1)), positions], 1)]];
  }
  // Where rows are of neither number, what takes them will say so.
  if (registers === undefined || !Number.isInteger(Math.sqrt(numRows - 1 - numRegisters))) return [];
  const added = positions.narrow(1, 1, numRegisters); // [1, R, D]
  return [
    ['pos_embed', torch.cat([positions.narrow(1, 0, 1), positions.slice(1, 1 + numRegisters)], 1)],
    ['register_tokens', torch.where(added.eq(0), registers, registers.add(added))], // bit for bit where there is nothing to add
  ];
}

function gatedName(name: string): string {
  return name.replace('.mlp.fc1.', '.mlp.w12.').replace('.mlp.fc2.', '.mlp.w3.');
}

function plainName(name: string): string {
  return name.replace('.mlp.w12.', '.mlp.fc1.').replace('.mlp.w3.', '.mlp.fc2.');
}

/**
 * What timm calls `config.json`: `timm.create_model('local-dir:FOLDER', pretrained=True)` makes a model of it and loads the
 * `model.safetensors` beside it. Source: timm models/_hub.py.
 */
export function timmConfig({
  imagePx,
  patch,
  widthDim,
  depth,
  numHeads,
  ffn,
  mlpRatio,
  numRegisters,
  layerScale,
}: VitSettings): object {
  const isGated = ffn !== 'mlp';
  return {
    // Names the class; every size is given below. The second is the one with a gated feed-forward part.
    architecture: isGated ? 'vit_giant_patch14_dinov2' : 'vit_base_patch16_224',
    num_classes: 0,
    num_features: widthDim,
    global_pool: 'token',
    model_args: {
      img_size: imagePx,
      patch_size: patch,
      embed_dim: widthDim,
      depth,
      num_heads: numHeads,
      mlp_ratio: safeRatio(isGated ? 2 * mlpRatio : mlpRatio, widthDim),
      reg_tokens: numRegisters,
      init_values: layerScale > 0 ? layerScale : null,
      num_classes: 0,
      global_pool: 'token',
      dynamic_img_size: true,
    },
    pretrained_cfg: {
      input_size: [3, imagePx, imagePx],
      fixed_input_size: false,
      num_classes: 0,
      mean: PIXEL_MEAN,
      std: PIXEL_STD,
      interpolation: 'bicubic',
      crop_pct: 1,
      crop_mode: 'center',
      first_conv: 'patch_embed.proj',
      classifier: 'head',
    },
  };
}

const CONFIG = z.object({
  architecture: z.string().regex(/^(vit|deit3?|flexivit)_/),
  num_features: count.optional(),
  // Those with which the model was made otherwise than its architecture is.
  model_args: z
    .object({
      embed_dim: count.optional(),
      depth: count.optional(),
      num_heads: count.optional(),
      act_layer: z.string().optional(),
    })
    .default({}),
  pretrained_cfg: z.object({ mean: perChannel, std: perChannel }).optional().catch(undefined),
});

/** The sizes in architectures' names; those with a class token have the heads that are published for the width. */
const SIZES: Readonly<Record<string, { readonly widthDim: number }>> = { ...VIT_SIZES, huge: { widthDim: 1280 } };

/** What a `config.json` of timm's tells; undefined where it is another program's, or of no vision transformer. */
export function toldByTimm(json: unknown): ToldSettings | undefined {
  const { data } = CONFIG.safeParse(json);
  if (data === undefined) return undefined;
  const { embed_dim: widthDim = data.num_features, depth, num_heads, act_layer: activation } = data.model_args;
  const [, size = ''] = /_(tiny|small|base|large|huge)_/.exec(data.architecture) ?? [];
  const numHeads = num_heads ?? publishedHeads(SIZES[size]?.widthDim ?? 0);
  return {
    ...(widthDim !== undefined && { widthDim }),
    ...(depth !== undefined && { depth }),
    ...(numHeads !== undefined && { numHeads }),
    ...(activation !== undefined && { activation }),
    ...(data.pretrained_cfg && { pixels: data.pretrained_cfg }),
    positionResize: 'size',
  };
}

/** timm cuts width * ratio down to a whole number, which rounding may have put just below it. */
function safeRatio(ratio: number, widthDim: number): number {
  return Number.isInteger(ratio) ? ratio : ratio + 0.5 / widthDim;
}
