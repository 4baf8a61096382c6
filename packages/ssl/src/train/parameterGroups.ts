/** How each parameter is trained, by its name: weight decay, learning rate, and whose gradients are clipped together. */
import type { Module, Parameter } from '@halfway/torch/nn';
import type { ParameterGroup } from '@halfway/torch/optim';
import type { Config } from '../config/schema.js';
import type { StepParams } from './schedule.js';

/** A group, and which of a step's learning rates it follows. */
export interface TrainedGroup extends ParameterGroup {
  readonly rate: keyof Pick<StepParams, 'lr' | 'lastLayerLr' | 'encoderLr'>;
}

type Named = readonly [name: string, parameter: Parameter];

/**
 * A group for every part with a learning rate of its own, with weight decay (factor 1) and without (0). Biases and norms have no
 * decay, tokens and positions only with `optim.decayTokens`.
 *
 * Parts: `decoders`; `lastLayer`, the last layers of heads; with `optim.layerDecay` below 1 the encoder's `layer0` (positions,
 * tokens, patch embedding) to `layerL` (its last block), at decay^(L + 1 - i) of the rate; `patchEmbed`, where it has a
 * rate of its own; `encoder`, the rest of one that started from weights; `network`, all other. Sources: DINO utils.py,
 * get_params_groups; DINOv2 utils/param_groups.py.
 */
export function parameterGroups(network: Module, { optim, decoder, init }: Config): TrainedGroup[] {
  const named = network.namedParameters();
  const depth = new Set(named.flatMap(([name]) => /^encoder\.blocks\.(\d+)\./.exec(name)?.[1] ?? [])).size;
  const partOf = (name: string): Pick<TrainedGroup, 'rate'> & { readonly part: string; readonly lrScale: number } => {
    if (name.startsWith('decoders.')) return { part: 'decoders', rate: 'lr', lrScale: decoder.lrMult };
    if (isLastLayer(name)) return { part: 'lastLayer', rate: 'lastLayerLr', lrScale: 1 };
    const hasStart = init.file !== undefined && name.startsWith('encoder.');
    const rate = hasStart ? 'encoderLr' : 'lr';
    const layer = layerOf(name, depth);
    const lrScale = optim.layerDecay ** (depth + 1 - layer);
    if (name.startsWith('encoder.patch_embed.') && optim.patchEmbedLrMult !== 1) {
      return { part: 'patchEmbed', rate, lrScale: lrScale * optim.patchEmbedLrMult };
    }
    if (lrScale !== 1) return { part: `layer${layer}`, rate, lrScale };
    return { part: hasStart ? 'encoder' : 'network', rate, lrScale };
  };
  const groups = new Map<string, Omit<TrainedGroup, 'name' | 'parameters'> & { readonly parameters: Parameter[] }>();
  for (const [name, parameter] of named) {
    const { part, ...rates } = partOf(name);
    const weightDecay = isDecayed([name, parameter], optim.decayTokens) ? 1 : 0;
    const key = `${part}.${weightDecay === 1 ? 'decay' : 'plain'}`;
    const group = groups.get(key) ?? { ...rates, weightDecay, parameters: [] };
    group.parameters.push(parameter);
    groups.set(key, group);
  }
  return [...groups].map(([name, group]) => ({ name, ...group }));
}

/**
 * Parameters whose gradients are clipped by their common norm: all; those of each part of the network (encoder, adapter, each head);
 * or each alone.
 */
export function clippedTogether(network: Module, over: Config['optim']['clipOver']): Parameter[][] {
  const named = network.namedParameters();
  switch (over) {
    case 'network':
      return [named.map(([, parameter]) => parameter)];
    case 'module': {
      const parts = new Map<string, Parameter[]>();
      for (const [name, parameter] of named) {
        const [part = name] = name.split('.');
        parts.set(part, [...(parts.get(part) ?? []), parameter]);
      }
      return [...parts.values()];
    }
    case 'parameter':
      return named.map(([, parameter]) => [parameter]);
    default:
      return over satisfies never;
  }
}

/** `head.last_layer.weight_v`, `head.last_layer2.weight_g`: the names of DINO's and iBOT's heads; `head.last_layer_equi.*` is cut from them. */
export function isLastLayer(name: string): boolean {
  return /\.last_layer(\d*|_equi)\./.test(name);
}

function isDecayed([name, { rank }]: Named, decayTokens: boolean): boolean {
  return rank > 1 && (decayTokens || !/(_token|_tokens|pos_embed)$/.test(name));
}

/** 0 for what comes before the first block, i + 1 for block i, depth + 1 for everything after the last. */
function layerOf(name: string, depth: number): number {
  const block = /^encoder\.blocks\.(\d+)\./.exec(name)?.[1];
  if (block !== undefined) return Number(block) + 1;
  return /^encoder\.(cls_token|mask_token|register_tokens|pos_embed|patch_embed\.)/.test(name) ? 0 : depth + 1;
}
