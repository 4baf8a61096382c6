/**
 * The linear maps of a network (layers, convolutions, attention), and how often one photo goes through each: what its cost follows from.
 * They are known by the names of their weights, as in parameterGroups.ts.
 *
 * V views, G patches along a side of a view, N = G * G patches, R registers, T = 1 + R + N tokens, D width, H heads.
 */
import type { Module } from '@halfway/torch/nn';
import { patchPx } from '../config/patchPx.js';
import type { Config } from '../config/schema.js';
import { GLOBAL_SIDE, numDoublings } from '../models/decoder.js';
import { vitConfig } from '../models/vit.js';

/** A linear map, with what one photo makes of it. */
export interface LinearMap {
  readonly name: string;
  readonly numWeights: number;
  readonly multiplyAdds: number;
  readonly inputValues: number;
  readonly outputValues: number;
}

/** The name of what tokens do to each other in all blocks: it has no weights of its own. */
export const ATTENTION = 'encoder.blocks.attention';

/** What a network sees of one photo. */
export interface Seen {
  /** G of each view that the encoder sees. */
  readonly grids: readonly number[];
  /** Views whose class tokens go through the heads. */
  readonly numViews: number;
  /** Patches whose scores are asked for. */
  readonly maskedPatches: number;
  /** Tokens that go through a head once more, for equivariant outputs of it. */
  readonly equivariantTokens: number;
}

type Sections = Pick<Config, 'model' | 'decoder' | 'recon'>;

/** Positions of one photo that a map reads and writes: tokens, vectors or pixels. A convolution with a stride reads more than it writes. */
interface Positions {
  readonly read: number;
  readonly written: number;
}

/** Every map of a network, attention last. Throws Error for a weight that this file does not know. */
export function linearMaps(network: Module, seen: Seen, config: Sections): LinearMap[] {
  // Tokens, positions, gains and norms are no maps.
  const weights = network.namedParameters().filter(([name, { rank }]) => rank > 1 && /weight(_v)?$/.test(name));
  const names = weights.map(([name]) => name);
  const maps = weights.map(([name, { shape, numel }]): LinearMap => {
    const { read, written } = positionsOf(name, names, seen, config);
    const [first = 1, second = 1] = shape;
    const [outputs, inputs] = read < written ? [second, first] : [first, second]; // a transposed convolution's weight has its inputs first
    return {
      name,
      numWeights: numel,
      multiplyAdds: numel * Math.min(read, written),
      inputValues: inputs * read,
      outputValues: outputs * written,
    };
  });
  return config.model.kind === 'vit' ? [...maps, attention(seen, config.model)] : maps;
}

/** In each block T^2 D multiply-adds for the products of queries and keys, as many for the sums of values; H T^2 weights. */
function attention({ grids }: Seen, model: Config['model']): LinearMap {
  const { depth, widthDim, numHeads } = vitConfig(model);
  const pairs = depth * sum(tokensOf(grids, model).map((tokens) => tokens ** 2));
  return {
    name: ATTENTION,
    numWeights: 0,
    multiplyAdds: 2 * pairs * widthDim,
    inputValues: 0,
    outputValues: pairs * numHeads,
  };
}

function positionsOf(name: string, names: readonly string[], seen: Seen, config: Sections): Positions {
  const { model } = config;
  const numPatches = sum(seen.grids.map((grid) => grid ** 2));
  if (name.startsWith('encoder.patch_embed.')) return { read: numPatches * model.patch ** 2, written: numPatches };
  if (/^encoder\.(conv1|layer\d)\./.test(name)) {
    const [read, written] = resnetScales(name, model.resnet);
    return { read: numPatches * read ** 2, written: numPatches * written ** 2 };
  }
  const convolution = /^decoders\.\d+\.convs\.(\d)\./.exec(name)?.[1];
  if (convolution !== undefined) return decoderPositions(Number(convolution), seen.grids[0] ?? 0, config);
  const rows = rowsOf(name, names, seen, config);
  return { read: rows, written: rows };
}

/** How often one photo goes through a linear layer. */
function rowsOf(
  name: string,
  names: readonly string[],
  { grids, numViews, maskedPatches, equivariantTokens }: Seen,
  { model, decoder, recon }: Sections,
): number {
  const [viewPatches = 0] = grids.map((grid) => grid ** 2);
  const hasHeadForPatches = names.some((other) => other.startsWith('patch_head.'));
  const hasOwnScores = hasHeadForPatches || names.some((other) => other.startsWith('head.last_layer2.'));
  const rows: readonly (readonly [RegExp, number])[] = [
    [/^encoder\.blocks\./, sum(tokensOf(grids, model))],
    [/^adapter\./, sum(grids.map((grid) => grid ** 2 + 1))],
    [/^(expander|projector|(in|equi)variant_expander)\./, numViews],
    [/\.last_layer_equi\./, equivariantTokens],
    [/^(patch_head\.last_layer|head\.last_layer2)\./, maskedPatches],
    [/^patch_head\.mlp\./, maskedPatches + equivariantTokens],
    [/^head\.last_layer\./, numViews + (hasOwnScores ? 0 : maskedPatches)],
    [/^head\.mlp\./, numViews + (hasHeadForPatches ? 0 : maskedPatches + equivariantTokens)],
    [/^predictor\./, 1],
    [/^regressor\./, 2],
    [/^fusion\./, viewPatches],
    [/^decoders\.\d+\.linear\./, decoder.kind === 'global' ? 1 : viewPatches * (recon.concat === 'token' ? 2 : 1)],
  ];
  const found = rows.find(([pattern]) => pattern.test(name));
  if (found === undefined) throw new Error(`internal: cost: nothing is known of the weight ${name}`);
  return found[1];
}

/** T of each view. */
export function tokensOf(grids: readonly number[], { kind, numRegisters }: Config['model']): number[] {
  return grids.map((grid) => grid ** 2 + 1 + (kind === 'vit' ? numRegisters : 0));
}

/** Sides of the maps that a convolution of ResNet-18 reads and writes, over G (models/resnet.ts). */
function resnetScales(name: string, { stem, variant }: Config['model']['resnet']): [read: number, written: number] {
  const [, stage, block, layer] = /^encoder\.layer(\d)\.(\d)\.(conv1|conv2|downsample)/.exec(name) ?? [];
  if (stage === undefined) return stem === 'small' ? [8, 8] : [32, 16];
  const after = 2 ** (4 - Number(stage));
  const before = block === '0' && stage !== '1' ? 2 * after : after;
  if (layer === 'downsample') return [before, after];
  const between = variant === 'sie' ? before : after;
  return layer === 'conv1' ? [before, between] : [between, after];
}

/** A decoder's map begins with the side G (`global`: its own), and the last of its four stages double it. */
function decoderPositions(stage: number, grid: number, { model, decoder: { kind } }: Sections): Positions {
  const firstSide = kind === 'global' ? GLOBAL_SIDE : grid;
  const doublings = numDoublings(kind, patchPx(model));
  const sideAfter = (stages: number): number => firstSide * 2 ** Math.max(0, stages - (4 - doublings));
  const [before, after] = [sideAfter(stage), sideAfter(stage + 1)];
  return { read: (kind === 'conv_upsample' ? after : before) ** 2, written: after ** 2 };
}

/** Of numbers. */
export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
