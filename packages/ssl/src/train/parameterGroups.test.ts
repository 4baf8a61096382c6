import * as torch from '@halfway/torch';
import { LayerNorm, Linear, Module, Parameter } from '@halfway/torch/nn';
import { describe, expect, it } from 'vitest';
import { tinyConfig } from '../run/scratch.case.js';
import { clippedTogether, parameterGroups } from './parameterGroups.js';

class Encoder extends Module {
  readonly clsToken = new Parameter(torch.zeros([1, 1, 2]));
  readonly maskToken = new Parameter(torch.zeros([1, 2]));
  readonly posEmbed = new Parameter(torch.zeros([1, 5, 2]));
  readonly patchEmbed = new Linear(3, 2, torch.generator(0));
  readonly blocks: readonly Linear[];
  readonly norm = new LayerNorm(2);

  constructor(depth: number) {
    super();
    this.blocks = Array.from({ length: depth }, () => new Linear(2, 2, torch.generator(0)));
  }
}

class Head extends Module {
  readonly mlp = new Linear(2, 2, torch.generator(0));
  readonly lastLayer = new Linear(2, 2, torch.generator(0), { bias: false });
}

class Network extends Module {
  readonly encoder: Encoder;
  readonly head = new Head();
  readonly decoders = [new Linear(2, 2, torch.generator(0))];

  constructor(depth = 2) {
    super();
    this.encoder = new Encoder(depth);
  }
}

/** Group of each parameter, with its factors on weight decay and learning rate. */
function groupsOf(...settings: string[]): ReturnType<typeof groupsIn> {
  return groupsIn(new Network(), ...settings);
}

function groupsIn(
  network: Network,
  ...settings: string[]
): Record<string, readonly [group: string, decay: number, lrScale: number]> {
  const groups = parameterGroups(network, tinyConfig(...settings));
  return Object.fromEntries(
    network.namedParameters().map(([name, parameter]) => {
      const own = groups.filter(({ parameters }) => parameters.includes(parameter));
      expect([name, own.length]).toEqual([name, 1]);
      return [name, [own[0]?.name ?? '', own[0]?.weightDecay ?? NaN, own[0]?.lrScale ?? NaN]];
    }),
  );
}

describe('parameterGroups', () => {
  it('decays weights only, and sets decoders and last layers apart', () => {
    torch.scope(() => {
      expect(groupsOf('decoder.lrMult=3')).toEqual({
        'encoder.cls_token': ['network.plain', 0, 1],
        'encoder.mask_token': ['network.plain', 0, 1],
        'encoder.pos_embed': ['network.plain', 0, 1],
        'encoder.patch_embed.weight': ['network.decay', 1, 1],
        'encoder.patch_embed.bias': ['network.plain', 0, 1],
        'encoder.blocks.0.weight': ['network.decay', 1, 1],
        'encoder.blocks.0.bias': ['network.plain', 0, 1],
        'encoder.blocks.1.weight': ['network.decay', 1, 1],
        'encoder.blocks.1.bias': ['network.plain', 0, 1],
        'encoder.norm.weight': ['network.plain', 0, 1],
        'encoder.norm.bias': ['network.plain', 0, 1],
        'head.mlp.weight': ['network.decay', 1, 1],
        'head.mlp.bias': ['network.plain', 0, 1],
        'head.last_layer.weight': ['lastLayer.decay', 1, 1],
        'decoders.0.weight': ['decoders.decay', 1, 3],
        'decoders.0.bias': ['decoders.plain', 0, 3],
      });
    });
  });

  it('decays tokens and positions where asked, as DINO, iBOT and DINOv2 do', () => {
    torch.scope(() => {
      const groups = groupsOf('optim.decayTokens=true');
      expect([groups['encoder.cls_token'], groups['encoder.pos_embed']]).toEqual([
        ['network.decay', 1, 1],
        ['network.decay', 1, 1],
      ]);
      expect(groups['encoder.norm.weight']).toEqual(['network.plain', 0, 1]);
    });
  });

  it("has DINOv2's learning rates: decay^(L + 1 - layer), the patch embedding's own factor on top", () => {
    torch.scope(() => {
      const groups = groupsOf('optim.layerDecay=0.5', 'optim.patchEmbedLrMult=0.2');
      const scale = (name: string): number => groups[name]?.[2] ?? NaN;
      expect(scale('encoder.pos_embed')).toBe(0.125);
      expect(scale('encoder.patch_embed.weight')).toBeCloseTo(0.025, 12);
      expect(scale('encoder.blocks.0.weight')).toBe(0.25);
      expect(scale('encoder.blocks.1.weight')).toBe(0.5);
      expect(scale('encoder.norm.weight')).toBe(1);
      expect(scale('head.mlp.weight')).toBe(1);
    });
  });

  it("gives the 24 blocks of DINOv2's ViT-L the closed-form golden numbers", () => {
    torch.scope(() => {
      const groups = groupsIn(new Network(24), 'optim.layerDecay=0.9', 'optim.patchEmbedLrMult=0.2');
      const scale = (name: string): number => groups[`encoder.${name}`]?.[2] ?? NaN;
      for (const name of ['pos_embed', 'cls_token', 'mask_token']) expect(scale(name)).toBeCloseTo(0.0717897988, 10);
      expect(scale('patch_embed.weight')).toBeCloseTo(0.0143579598, 10);
      expect(scale('blocks.0.weight')).toBeCloseTo(0.0797664431, 10);
      expect(scale('blocks.23.weight')).toBeCloseTo(0.9, 10);
    });
  });

  it('sets an encoder from weights apart, whose rate is its own, whatever its layers have', () => {
    torch.scope(() => {
      const groups = groupsOf('init.file=weights.pth');
      expect(groups['encoder.blocks.0.weight']).toEqual(['encoder.decay', 1, 1]);
      expect(groups['head.mlp.weight']).toEqual(['network.decay', 1, 1]);
      const settings = ['optim.layerDecay=0.5', 'optim.patchEmbedLrMult=0.2'];
      const ratesOf = (...more: string[]): Record<string, string> =>
        Object.fromEntries(
          parameterGroups(new Network(), tinyConfig(...settings, ...more)).map(({ name, rate }) => [name, rate]),
        );
      const heads = { 'lastLayer.decay': 'lastLayerLr', 'decoders.decay': 'lr', 'decoders.plain': 'lr' };
      const network = { 'network.decay': 'lr', 'network.plain': 'lr' };
      const layers = ['layer0.plain', 'patchEmbed.decay', 'patchEmbed.plain'].concat(
        ['layer1', 'layer2'].flatMap((layer) => [`${layer}.decay`, `${layer}.plain`]),
      );
      const of = (rate: string, names: string[]): object => Object.fromEntries(names.map((name) => [name, rate]));
      expect(ratesOf()).toEqual({ ...heads, ...network, ...of('lr', layers) });
      expect(ratesOf('init.file=weights.pth')).toEqual({
        ...{ ...heads, ...network },
        ...of('encoderLr', [...layers, 'encoder.plain']), // its last norm
      });
    });
  });
});

describe('clippedTogether', () => {
  it('takes all parameters, those of each part, or each alone', () => {
    torch.scope(() => {
      const network = new Network();
      const sizes = (over: 'network' | 'module' | 'parameter'): number[] =>
        clippedTogether(network, over).map(({ length }) => length);
      expect(sizes('network')).toEqual([16]);
      expect(sizes('module')).toEqual([11, 3, 2]);
      expect(sizes('parameter')).toEqual(Array.from({ length: 16 }, () => 1));
    });
  });
});
