/**
 * How the projects that publish encoders name their parameters, as tables of theirs and ours. Ours are DINOv2's (models/vit.ts) and, of
 * ResNet-18, torchvision's (models/resnet.ts), so that a project's table has only what differs. `#` stands for the number of a block.
 *
 * Sources: DINOv2, iBOT and DINO vision_transformer.py, MAE models_mae.py, timm models/vision_transformer.py, and the names that
 * transformers' save_pretrained writes for Dinov2Model, Dinov2WithRegistersModel and ViTModel.
 */
import type { Tensor } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import type { FormatName } from './formatNames.js';
import { writeHuggingFace } from './huggingFace.js';
import { isTimm, readTimm, writeTimm } from './timm.js';
import type { Shapes } from './weightFile.js';

export interface WeightFormat {
  readonly name: FormatName;
  /** The encoder that its tensors are of. */
  readonly kind: Config['model']['kind'];
  /** A weight that stands once in a network: what is before this name in a file is before all of the network's names. */
  readonly anchor: string;
  /** Whether a network of these names and shapes is of this format and of none further down. */
  readonly isOf: (shapes: Shapes) => boolean;
  /** Names without `.weight` and `.bias`. Several of theirs for one of ours are its rows, in this order. */
  readonly names: readonly (readonly [theirs: string, ours: string])[];
  /** Tensors of the same file that are another network's, whatever ours they are named like. */
  readonly foreign?: RegExp;
  /** What names do not say: their tensors, renamed already, as ours, and ours, not renamed yet, as theirs. */
  readonly read?: (tensors: ReadonlyMap<string, Tensor>) => Map<string, Tensor>;
  readonly write?: (tensors: ReadonlyMap<string, Tensor>) => Map<string, Tensor>;
}

function hasName(pattern: RegExp): WeightFormat['isOf'] {
  return (shapes) => [...shapes.keys()].some((name) => pattern.test(name));
}

const PATCH_EMBED = 'patch_embed.proj.weight';
const HF_PATCH_EMBED = 'embeddings.patch_embeddings.projection.weight';

const HF_EMBEDDINGS = [
  ['embeddings.cls_token', 'cls_token'],
  ['embeddings.position_embeddings', 'pos_embed'],
  ['embeddings.patch_embeddings.projection', 'patch_embed.proj'],
  ['layernorm', 'norm'],
] as const;

const HF_ATTENTION = [
  ['encoder.layer.#.attention.attention.query', 'blocks.#.attn.qkv'],
  ['encoder.layer.#.attention.attention.key', 'blocks.#.attn.qkv'],
  ['encoder.layer.#.attention.attention.value', 'blocks.#.attn.qkv'],
  ['encoder.layer.#.attention.output.dense', 'blocks.#.attn.proj'],
] as const;

/** In the order in which a file is asked whether it is of the format; the last of a kind is what remains. */
export const FORMATS: readonly WeightFormat[] = [
  {
    name: 'hf-dinov2',
    kind: 'vit',
    anchor: HF_PATCH_EMBED,
    isOf: hasName(/^encoder\.layer\.0\.norm1\.weight$/),
    names: [
      ...HF_EMBEDDINGS,
      ...HF_ATTENTION,
      ['embeddings.mask_token', 'mask_token'],
      ['embeddings.register_tokens', 'register_tokens'],
      ['encoder.layer.#.norm1', 'blocks.#.norm1'],
      ['encoder.layer.#.norm2', 'blocks.#.norm2'],
      ['encoder.layer.#.layer_scale1.lambda1', 'blocks.#.ls1.gamma'],
      ['encoder.layer.#.layer_scale2.lambda1', 'blocks.#.ls2.gamma'],
      ['encoder.layer.#.mlp.fc1', 'blocks.#.mlp.fc1'],
      ['encoder.layer.#.mlp.fc2', 'blocks.#.mlp.fc2'],
      ['encoder.layer.#.mlp.weights_in', 'blocks.#.mlp.w12'],
      ['encoder.layer.#.mlp.weights_out', 'blocks.#.mlp.w3'],
    ],
    write: writeHuggingFace,
  },
  {
    name: 'hf-vit',
    kind: 'vit',
    anchor: HF_PATCH_EMBED,
    isOf: hasName(/^encoder\.layer\.0\.layernorm_before\.weight$/),
    names: [
      ...HF_EMBEDDINGS,
      ...HF_ATTENTION,
      ['encoder.layer.#.layernorm_before', 'blocks.#.norm1'],
      ['encoder.layer.#.layernorm_after', 'blocks.#.norm2'],
      ['encoder.layer.#.intermediate.dense', 'blocks.#.mlp.fc1'],
      ['encoder.layer.#.output.dense', 'blocks.#.mlp.fc2'],
    ],
  },
  // Its mask token is the decoder's, as wide as that.
  {
    name: 'mae',
    kind: 'vit',
    anchor: PATCH_EMBED,
    isOf: hasName(/^decoder_pred\./),
    names: [],
    foreign: /^(decoder_|mask_token$)/,
  },
  {
    name: 'timm',
    kind: 'vit',
    anchor: PATCH_EMBED,
    isOf: isTimm,
    names: [['reg_token', 'register_tokens']],
    read: readTimm,
    write: writeTimm,
  },
  {
    name: 'dinov2',
    kind: 'vit',
    anchor: PATCH_EMBED,
    isOf: hasName(/^(mask_token|register_tokens|blocks\.\d+\.\d+\..*)$/),
    names: [],
  },
  // Also iBOT's, DeiT's, and timm's where nothing of it has to be read otherwise.
  { name: 'dino', kind: 'vit', anchor: PATCH_EMBED, isOf: () => true, names: [['masked_embed', 'mask_token']] },
  { name: 'torchvision', kind: 'resnet18', anchor: 'layer1.0.conv1.weight', isOf: () => true, names: [] },
];

/** The format of a name. */
export function formatNamed(name: FormatName): WeightFormat {
  const format = FORMATS.find((candidate) => candidate.name === name);
  if (format === undefined) throw new Error(`internal: formats: there is no ${name}`);
  return format;
}
