/**
 * Our encoder as Hugging Face's Dinov2Model, which has all that ours may have, and beside that a LayerScale and a mask token always.
 * Source: transformers models/dinov2 and models/dinov2_with_registers.
 *
 * D width, F hidden width.
 */
import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { z } from 'zod';
import { PIXEL_MEAN, PIXEL_STD } from '../config/pixelStatistics.js';
import { count, perChannel } from '../config/ranges.js';
import { ConfigError } from '../errors.js';
import { NORM_EPS } from '../models/block.js';
import type { ToldSettings } from './toldSettings.js';
import type { VitSettings } from './vitSettings.js';

/** Our tensors completed, under our names: a LayerScale of 1 and a mask token of 0, which change nothing. */
export function writeHuggingFace(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const neutral = [...tensors].flatMap(([name, tensor]): [string, Tensor][] => {
    const [, branch, end] = /^(blocks\.\d+)\.norm([12])\.weight$/.exec(name) ?? [];
    if (branch !== undefined && end !== undefined) return [[`${branch}.ls${end}.gamma`, torch.onesLike(tensor)]];
    return name === 'cls_token' ? [['mask_token', torch.zerosLike(tensor).select(1, 0)]] : [];
  });
  return new Map([...neutral, ...tensors]);
}

/**
 * `config.json`, by which `AutoModel.from_pretrained(FOLDER)` makes a model and loads the `model.safetensors` beside it.
 * Throws ConfigError for a feed-forward part of a width that Dinov2Model cannot have.
 */
export function huggingFaceConfig(settings: VitSettings): object {
  const { imagePx, patch, widthDim, depth, numHeads, ffn, numRegisters } = settings;
  const hasRegisters = numRegisters > 0;
  return {
    architectures: [hasRegisters ? 'Dinov2WithRegistersModel' : 'Dinov2Model'],
    model_type: hasRegisters ? 'dinov2_with_registers' : 'dinov2',
    dtype: 'float32',
    hidden_size: widthDim,
    num_hidden_layers: depth,
    num_attention_heads: numHeads,
    mlp_ratio: wholeRatio(settings),
    use_swiglu_ffn: ffn !== 'mlp',
    hidden_act: 'gelu',
    layer_norm_eps: NORM_EPS,
    qkv_bias: true,
    image_size: imagePx,
    patch_size: patch,
    num_channels: 3,
    ...(hasRegisters ? { num_register_tokens: numRegisters } : {}),
  };
}

/** `preprocessor_config.json`: short side to the image's, central square, normalised; as `halfway eval` renders photos. */
export function huggingFacePreprocessing({ imagePx }: VitSettings): object {
  return {
    image_processor_type: 'BitImageProcessor',
    do_convert_rgb: true,
    do_resize: true,
    size: { shortest_edge: imagePx },
    resample: 3, // PIL's bicubic
    do_center_crop: true,
    crop_size: { height: imagePx, width: imagePx },
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: PIXEL_MEAN,
    image_std: PIXEL_STD,
  };
}

const CONFIG = z.object({
  hidden_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  hidden_act: z.string().optional(),
  layer_norm_eps: z.number().optional(),
});

const PREPROCESSING = z.object({ image_mean: perChannel, image_std: perChannel });

/**
 * What a `config.json` of Hugging Face's tells, and `preprocessor_config.json` where there is one; undefined where it is another program's,
 * or of no vision transformer.
 */
export function toldByHuggingFace(json: unknown, preprocessing?: unknown): ToldSettings | undefined {
  const { data } = CONFIG.safeParse(json);
  if (data === undefined) return undefined;
  const { data: pixels } = PREPROCESSING.safeParse(preprocessing);
  const { hidden_act: activation, layer_norm_eps: normEps } = data;
  return {
    widthDim: data.hidden_size,
    depth: data.num_hidden_layers,
    numHeads: data.num_attention_heads,
    ...(activation !== undefined && { activation }),
    ...(normEps !== undefined && { normEps }),
    ...(pixels && { pixels: { mean: pixels.image_mean, std: pixels.image_std } }),
    positionResize: 'size',
  };
}

// No ViT has a wider feed-forward part.
const MAX_RATIO = 16;

/** The whole number by which Dinov2Model computes F: D times it, or for a gated part two thirds of that, up to a multiple of 8. */
function wholeRatio({ widthDim, ffn, mlpRatio }: VitSettings): number {
  const hiddenDim = Math.round(mlpRatio * widthDim);
  for (let ratio = 1; ratio <= MAX_RATIO; ratio++) {
    const full = widthDim * ratio;
    if (hiddenDim === (ffn === 'mlp' ? full : 8 * Math.ceil(Math.floor((full * 2) / 3) / 8))) return ratio;
  }
  throw new ConfigError(
    `export: Hugging Face's Dinov2 must have an MLP of a whole multiple of the width, or SwiGLU of two thirds of one, ` +
      `got ${ffn} of ${hiddenDim} for width ${widthDim}; use --format timm`,
    'model.mlpRatio',
  );
}
