/**
 * The `model` section that a file's weights were made with, as far as they tell.
 *
 * D width, F hidden width.
 */
import type { Tensor } from '@halfway/torch';
import { VIT_SIZES } from '../config/encoderSizes.js';
import type { Config } from '../config/schema.js';

/** The settings by which a vision transformer has certain shapes. */
export type ShapeSettings = Pick<
  Config['model'],
  'size' | 'widthDim' | 'depth' | 'ffn' | 'mlpRatio' | 'patch' | 'imagePx' | 'numRegisters' | 'layerScale'
>;

/** With the number of heads, which no shape tells. */
export type VitSettings = ShapeSettings & Pick<Config['model'], 'numHeads'>;

/** Heads of the published sizes by width: tiny to large, MAE's huge, DINOv2's giant. Source: their vision_transformer.py. */
const HEADS: ReadonlyMap<number, number> = new Map([
  ...Object.values(VIT_SIZES).map(({ widthDim, numHeads }) => [widthDim, numHeads] as const),
  [1280, 16],
  [1536, 24],
]);

/** MoCo v3's ViT-S has twice the heads of the others (its vits.py), which only what stands before its names tells. */
const MOCO_V3 = { prefix: /(base|momentum)_encoder\.$/, widthDim: 384, numHeads: 12 } as const;

/** The number of heads of the published ViTs of a width and prefix; undefined for other widths. */
export function publishedHeads(widthDim: number, prefix = ''): number | undefined {
  return widthDim === MOCO_V3.widthDim && MOCO_V3.prefix.test(prefix) ? MOCO_V3.numHeads : HEADS.get(widthDim);
}

/** The settings by which an encoder has the shapes of these tensors, which have our names. LayerScale is 1 or 0: there or not. */
export function shapeSettings(tensors: ReadonlyMap<string, Tensor>): ShapeSettings {
  const sizeOf = (name: string, dim: number): number => tensors.get(name)?.shape[dim] ?? 0;
  const [widthDim, patch] = [sizeOf('patch_embed.proj.weight', 0), sizeOf('patch_embed.proj.weight', 2)];
  const isGated = tensors.has('blocks.0.mlp.w3.weight');
  const hiddenDim = sizeOf(isGated ? 'blocks.0.mlp.w3.weight' : 'blocks.0.mlp.fc2.weight', 1);
  const blocks = new Set([...tensors.keys()].map((name) => /^blocks\.\d+\./.exec(name)?.[0]));
  blocks.delete(undefined);
  return {
    size: 'custom',
    widthDim,
    depth: blocks.size,
    ffn: isGated ? 'swiglu' : 'mlp',
    mlpRatio: hiddenDim / widthDim,
    patch,
    imagePx: patch * Math.floor(Math.sqrt(Math.max(0, sizeOf('pos_embed', 1) - 1))),
    numRegisters: sizeOf('register_tokens', 1),
    layerScale: tensors.has('blocks.0.ls1.gamma') ? 1 : 0,
  };
}
