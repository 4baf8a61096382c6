/**
 * Files with exactly the names and shapes of published ones: recognised, counted, and every tensor taken or named. All elements are one
 * storage of four numbers, seen with strides of 0, so that a ViT-S is a file of some kilobytes.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../config/parse.js';
import { present } from '../models/fixture.case.js';
import { Vit, vitConfig } from '../models/vit.js';
import { scratchFolder } from '../run/scratch.case.js';
import type { FormatName } from './formatNames.js';
import { initEncoder } from './initEncoder.js';
import { loadWeights, type WeightsReport } from './loadWeights.js';
import * as made from './pth/madeFile.case.js';
import { publishedHeads, shapeSettings } from './vitSettings.js';

type Tensors = readonly (readonly [name: string, shape: readonly number[]])[];

interface Network {
  readonly width: number;
  readonly depth: number;
  readonly patch: number;
  readonly positions: number; // rows, with that of the class token
  readonly registers?: number;
  readonly hasLayerScale?: boolean;
  readonly hasMaskToken?: boolean;
  readonly hidden: number;
  readonly isGated?: boolean;
}

// Sources: vision_transformer.py of DINO, iBOT and DINOv2; hub/backbones.py of DINOv2.
const DINO: Network = { width: 384, depth: 12, hidden: 1536, patch: 16, positions: 197 };
const DINOV2: Network = { ...DINO, patch: 14, positions: 1370, hasLayerScale: true, hasMaskToken: true };
const DINOV2_REGISTERS: Network = { ...DINOV2, registers: 4 };
/** ViT-g/14 but for its width of 1536. */
const GIANT: Network = { ...DINOV2, width: 24, depth: 40, hidden: 64, isGated: true };

const norm = (name: string, width: number): Tensors => [
  [`${name}.weight`, [width]],
  [`${name}.bias`, [width]],
];
const linear = (name: string, to: number, from: number): Tensors => [
  [`${name}.weight`, [to, from]],
  [`${name}.bias`, [to]],
];
const mlp = ({ width, hidden, isGated }: Network, first: string, second: string): Tensors => [
  ...linear(first, (isGated === true ? 2 : 1) * hidden, width),
  ...linear(second, width, hidden),
];
const blocks = ({ depth }: Network, block: (i: number) => Tensors): Tensors =>
  Array.from({ length: depth }, (_, i) => block(i)).flat();
const renamed = (tensors: Tensors, rename: (name: string) => string): Tensors =>
  tensors.map(([name, shape]) => [rename(name), shape]);
const below = (prefix: string, tensors: Tensors): Tensors => renamed(tensors, (name) => prefix + name);

function named(network: Network): Tensors {
  const { width, patch, positions, registers, hasLayerScale, hasMaskToken, isGated } = network;
  const scale = (name: string): Tensors => (hasLayerScale === true ? [[`${name}.gamma`, [width]]] : []);
  const [first, second] = isGated === true ? ['w12', 'w3'] : ['fc1', 'fc2'];
  return [
    ['cls_token', [1, 1, width]],
    ['pos_embed', [1, positions, width]],
    ...(registers === undefined ? [] : ([['register_tokens', [1, registers, width]]] as const)),
    ...(hasMaskToken === true ? ([['mask_token', [1, width]]] as const) : []),
    ['patch_embed.proj.weight', [width, 3, patch, patch]],
    ['patch_embed.proj.bias', [width]],
    ...blocks(network, (i) => [
      ...norm(`blocks.${i}.norm1`, width),
      ...linear(`blocks.${i}.attn.qkv`, 3 * width, width),
      ...linear(`blocks.${i}.attn.proj`, width, width),
      ...scale(`blocks.${i}.ls1`),
      ...norm(`blocks.${i}.norm2`, width),
      ...mlp(network, `blocks.${i}.mlp.${first}`, `blocks.${i}.mlp.${second}`),
      ...scale(`blocks.${i}.ls2`),
    ]),
    ...norm('norm', width),
  ];
}

/** timm calls registers otherwise, a gated part like a plain one, and has no mask token. */
function namedByTimm(network: Network): Tensors {
  return renamed(named({ ...network, hasMaskToken: false }), (name) =>
    name.replace('register_tokens', 'reg_token').replace('.w12.', '.fc1.').replace('.w3.', '.fc2.'),
  );
}

/** Dinov2Model of transformers. */
function namedByHuggingFace(network: Network): Tensors {
  const { width, patch, positions, isGated } = network;
  const [first, second] = isGated === true ? ['weights_in', 'weights_out'] : ['fc1', 'fc2'];
  return [
    ['embeddings.cls_token', [1, 1, width]],
    ['embeddings.mask_token', [1, width]],
    ['embeddings.position_embeddings', [1, positions, width]],
    ['embeddings.patch_embeddings.projection.weight', [width, 3, patch, patch]],
    ['embeddings.patch_embeddings.projection.bias', [width]],
    ...below(
      'encoder.layer.',
      blocks(network, (i) => [
        ...norm(`${i}.norm1`, width),
        ...['query', 'key', 'value'].flatMap((part) => linear(`${i}.attention.attention.${part}`, width, width)),
        ...linear(`${i}.attention.output.dense`, width, width),
        [`${i}.layer_scale1.lambda1`, [width]],
        ...norm(`${i}.norm2`, width),
        ...mlp(network, `${i}.mlp.${first}`, `${i}.mlp.${second}`),
        [`${i}.layer_scale2.lambda1`, [width]],
      ]),
    ),
    ...norm('layernorm', width),
  ];
}

/** The head of DINO and iBOT, DINOv2's but for the last layer's prototypes. */
const HEAD: Tensors = [
  ...[...linear('mlp.0', 2048, 384), ...linear('mlp.2', 2048, 2048), ...linear('mlp.4', 256, 2048)],
  ['last_layer.weight_g', [8192, 1]],
  ['last_layer.weight_v', [8192, 256]],
];

const masked = (width: number): Tensors => [['masked_embed', [1, width]]];

/** Block i of DINOv2's training, in chunks of three. */
const chunked = (name: string): string =>
  name.replace(/^blocks\.(\d+)/, (_, block: string) => `blocks.${Math.floor(Number(block) / 3)}.${block}`);

/** A dict of tensors as torch.save writes it. */
function dictOf(tensors: Tensors): string {
  return made.dict(
    Object.fromEntries(
      tensors.map(([name, shape]) => [name, made.tensorOf({ offset: 0, shape, strides: shape.map(() => 0) })]),
    ),
  );
}

interface Published {
  readonly name: string;
  readonly network: Network;
  /** What is in the file. */
  readonly content: string;
  readonly format: FormatName;
  readonly prefix?: string;
  /** Tensors of the network in the file, and those of them that the encoder has no use for. */
  readonly count: number;
  readonly unexpected?: readonly string[];
  readonly leftOut?: number;
}

const FILES: readonly Published[] = [
  {
    ...{ name: 'dinov2_vits14_pretrain.pth', network: DINOV2, content: dictOf(named(DINOV2)) },
    ...{ format: 'dinov2', count: 175, unexpected: ['mask_token'] },
  },
  {
    ...{ name: 'dinov2_vits14_reg4_pretrain.pth', network: DINOV2_REGISTERS, content: dictOf(named(DINOV2_REGISTERS)) },
    ...{ format: 'dinov2', count: 176, unexpected: ['mask_token'] },
  },
  {
    ...{ name: 'names of dinov2_vitg14_pretrain.pth', network: GIANT, content: dictOf(named(GIANT)) },
    ...{ format: 'dinov2', count: 567, unexpected: ['mask_token'] },
  },
  {
    name: 'teacher_checkpoint.pth of DINOv2',
    network: DINOV2,
    content: made.dict({
      teacher: dictOf([
        ...below('backbone.', renamed(named(DINOV2), chunked)),
        ...below('dino_head.', HEAD),
        ...below('ibot_head.', HEAD),
      ]),
    }),
    ...{ format: 'dinov2', prefix: 'teacher.backbone.', count: 175, unexpected: ['mask_token'], leftOut: 16 },
  },
  { name: 'dino_deitsmall16_pretrain.pth', network: DINO, content: dictOf(named(DINO)), format: 'dino', count: 150 },
  {
    ...{
      name: 'checkpoint_teacher.pth of iBOT',
      network: DINO,
      content: made.dict({ state_dict: dictOf(named(DINO)) }),
    },
    ...{ format: 'dino', prefix: 'state_dict.', count: 150 },
  },
  {
    name: 'checkpoint.pth of iBOT',
    network: DINO,
    content: made.dict({
      student: dictOf([...below('module.backbone.', [...named(DINO), ...masked(384)]), ...below('module.head.', HEAD)]),
      teacher: dictOf([...below('backbone.', named(DINO)), ...below('head.', HEAD)]),
      epoch: made.integer(800),
      ibot_loss: dictOf([
        ['center', [1, 8192]],
        ['center2', [1, 1, 8192]],
      ]),
    }),
    ...{ format: 'dino', prefix: 'teacher.backbone.', count: 150, leftOut: 151 + 8 + 8 + 2 },
  },
  {
    ...{ name: 'vit_small_patch14_dinov2.lvd142m of timm', network: DINOV2, content: dictOf(namedByTimm(DINOV2)) },
    ...{ format: 'dino', count: 174 },
  },
  {
    name: 'vit_small_patch14_reg4_dinov2.lvd142m of timm',
    network: DINOV2_REGISTERS,
    content: dictOf(namedByTimm({ ...DINOV2_REGISTERS, positions: 1369 })), // the class token's is part of the token
    ...{ format: 'timm', count: 175 },
  },
  {
    ...{ name: 'names of vit_giant_patch14_dinov2.lvd142m of timm', network: GIANT },
    ...{ content: dictOf(namedByTimm(GIANT)), format: 'timm', count: 566 },
  },
  {
    ...{ name: 'facebook/dinov2-small', network: DINOV2, content: dictOf(namedByHuggingFace(DINOV2)) },
    ...{ format: 'hf-dinov2', count: 175, unexpected: ['mask_token'] }, // of 223 in the file, three make one
  },
  {
    name: 'facebook/dinov2-small-imagenet1k-1-layer',
    network: DINOV2,
    content: dictOf([...below('dinov2.', namedByHuggingFace(DINOV2)), ...linear('classifier', 1000, 768)]),
    ...{ format: 'hf-dinov2', prefix: 'dinov2.', count: 175, unexpected: ['mask_token'], leftOut: 2 },
  },
  {
    ...{ name: 'names of facebook/dinov2-giant', network: GIANT, content: dictOf(namedByHuggingFace(GIANT)) },
    ...{ format: 'hf-dinov2', count: 567, unexpected: ['mask_token'] },
  },
];

/** An encoder of a network, drawn once: all files of a network are given to it. Positions are of another grid, as in a run. */
const encoders = new Map<Network, Vit>();
function encoderOf(network: Network, tensors: ReadonlyMap<string, torch.Tensor>): Vit {
  const shape = shapeSettings(tensors);
  const numHeads = publishedHeads(network.width) ?? 1;
  const model = { ...shape, numHeads, imagePx: 8 * network.patch };
  const encoder = encoders.get(network) ?? new Vit(vitConfig(parseConfig({ model }, 'test').model), torch.generator(0));
  encoders.set(network, encoder);
  return encoder;
}

const scratch = scratchFolder();

describe('a file of the names and shapes of', () => {
  it.each(FILES)('$name is read whole', async ({ network, content, ...wanted }) => {
    const { format, prefix = '', count, unexpected = [], leftOut = 0 } = wanted;
    const path = join(scratch, 'published.pth');
    writeFileSync(path, made.archivePth(content));
    const weights = await loadWeights(path);
    const { report, tensors } = weights;
    expect(report).toMatchObject<Partial<WeightsReport>>({ path, format, prefix });
    expect([tensors.size, report.leftOut.length]).toEqual([count, leftOut]);
    expect(tensors.get('pos_embed')?.shape).toEqual([1, network.positions, network.width]);
    const { widthDim, depth, patch, imagePx, numRegisters, mlpRatio } = shapeSettings(tensors);
    expect([widthDim, depth, patch, numRegisters, mlpRatio * widthDim]).toEqual([
      ...[network.width, network.depth, network.patch, network.registers ?? 0, network.hidden],
    ]);
    expect(imagePx).toBe(network === DINO ? 224 : 518);
    torch.scope(() => {
      const diff = initEncoder(encoderOf(network, tensors), weights);
      const namesOf = (kind: string): string[] =>
        diff.flatMap((entry) => (entry.standing === kind ? [entry.name] : []));
      expect([namesOf('adapted'), namesOf('missing'), namesOf('unexpected')]).toEqual([['pos_embed'], [], unexpected]);
      expect(namesOf('matched')).toHaveLength(count - unexpected.length - 1);
    });
    tensors.forEach((tensor) => tensor.dispose());
  });

  it('has the tensors that are known of it', () => {
    expect([DINOV2, DINOV2_REGISTERS, DINO].map((network) => named(network).length)).toEqual([175, 176, 150]);
    expect(namedByHuggingFace(DINOV2)).toHaveLength(223);
    const numel = (tensors: Tensors): number =>
      tensors.reduce((sum, [, shape]) => sum + shape.reduce((product, size) => product * size, 1), 0);
    expect([numel(named(DINO)), numel(named(DINOV2))]).toEqual([21_665_664, 22_056_576]);
    expect(present(named(DINOV2)[1])).toEqual(['pos_embed', [1, 1370, 384]]);
  });
});
