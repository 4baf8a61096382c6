/** An encoder that takes a file's weights: what is fitted computes what the file's does, and what is not is named. */
import * as torch from '@halfway/torch';
import { loadSafetensors } from '@halfway/torch/io';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../config/parse.js';
import { ConfigError, DataError } from '../errors.js';
import { createEncoder } from '../models/createEncoder.js';
import { evalContext, expectClose, present } from '../models/fixture.case.js';
import { resizePositions } from '../models/positionEmbedding.js';
import type { Vit } from '../models/vit.js';
import { describeFit } from './describeFit.js';
import { initEncoder } from './initEncoder.js';
import { type LoadedWeights, loadWeights } from './loadWeights.js';
import { encoderFor, published } from './published.case.js';

let dino: LoadedWeights;
let dinov2: LoadedWeights;
beforeAll(async () => {
  dino = await loadWeights(published('dino.pth'));
  dinov2 = await loadWeights(published('dinov2.pth'));
});

/** The same file with other tensors. */
function changed(weights: LoadedWeights, change: Readonly<Record<string, torch.Tensor | undefined>>): LoadedWeights {
  const entries = Object.entries({ ...Object.fromEntries(weights.tensors), ...change });
  return {
    ...weights,
    tensors: new Map(entries.flatMap(([name, tensor]) => (tensor === undefined ? [] : [[name, tensor]]))),
  };
}

const images = (): torch.Tensor => present(loadSafetensors(published('features.safetensors')).tensors.get('images'));
const clsOf = (encoder: Vit, x = images()): torch.Tensor => torch.noGrad(() => encoder.forward(x, evalContext()).cls);
const said = (encoder: Vit, weights: LoadedWeights): string => describeFit(initEncoder(encoder, weights));

describe('initEncoder', () => {
  it.each(['size', 'offset'] as const)(
    'resizes positions to the grid of the encoder, by its mode %s',
    (positionResize) => {
      torch.scope(() => {
        const encoder = encoderFor(dino.tensors, { imagePx: 20, positionResize });
        expect(said(encoder, dino)).toBe(
          '  matched     29 tensors\n  adapted     pos_embed: 3 x 3 positions resized to 5 x 5',
        );
        expectClose(
          encoder.posEmbed,
          resizePositions(present(dino.tensors.get('pos_embed')), 5, positionResize),
          'positions',
          1e-7,
        );
      });
    },
  );

  it.each([1, 4])(
    'sums the channels of a patch embedding of %i, so that gray images give the same features',
    (channels) => {
      torch.scope(() => {
        const weight = torch.randn([8, channels, 4, 4], { generator: torch.generator(1) });
        const encoder = encoderFor(dino.tensors);
        const weights = changed(dino, { 'patch_embed.proj.weight': weight });
        expect(said(encoder, weights)).toContain(
          `adapted     patch_embed.proj.weight: ${channels} channels summed and spread over 3`,
        );
        const gray = torch.randn([1, 1, 4, 4], { generator: torch.generator(2) });
        const [fromFile, fromOurs] = [weight, encoder.patchEmbed.proj.weight].map((kernel) =>
          gray
            .expand([1, kernel.shape[1] ?? 0, 4, 4])
            .mul(kernel)
            .sum([1, 2, 3]),
        );
        expectClose(fromOurs, present(fromFile), 'embedding', 1e-6);
      });
    },
  );

  it('sets LayerScale to 1 where the file has none, which computes the same', () => {
    torch.scope(() => {
      const [plain, scaled] = [encoderFor(dino.tensors), encoderFor(dino.tensors, { layerScale: 1e-5 })];
      initEncoder(plain, dino);
      expect(said(scaled, dino)).toContain(
        'adapted     blocks.0.ls1.gamma, blocks.0.ls2.gamma, blocks.1.ls1.gamma and 1 more: set to 1',
      );
      expect(clsOf(scaled).equal(clsOf(plain))).toBe(true);
    });
  });

  it('leaves out a LayerScale of 1, and refuses another where the encoder has none', () => {
    torch.scope(() => {
      const ones = changed(dino, { 'blocks.0.ls1.gamma': torch.ones([8]) });
      expect(said(encoderFor(dino.tensors), ones)).toContain('unexpected  blocks.0.ls1.gamma: a LayerScale of 1');
      expect(() => initEncoder(encoderFor(dinov2.tensors, { layerScale: 0 }), dinov2)).toThrow(
        'weights must fit the encoder, got layerScale 1 where it has 0; add --set model.layerScale=1',
      );
    });
  });

  it('keeps a mask token and registers that the file does not have', () => {
    torch.scope(() => {
      const encoder = encoderFor(dino.tensors, { numRegisters: 2 });
      const before = encoder.registerTokens?.clone();
      expect(said(encoder, dino)).toContain('missing     register_tokens: kept as it was drawn');
      expect(encoder.registerTokens?.equal(present(before))).toBe(true);
    });
  });

  it('takes weights of half precision', () => {
    torch.scope(() => {
      const halves = Object.fromEntries([...dino.tensors].map(([name, tensor]) => [name, tensor.to('bfloat16')]));
      const encoder = encoderFor(dino.tensors, { imagePx: 20 });
      initEncoder(encoder, changed(dino, halves));
      expect(encoder.clsToken.equal(present(halves['cls_token']).to('float32'))).toBe(true);
    });
  });

  it('copies nothing when the encoder is another, and says in one line which settings fit', () => {
    torch.scope(() => {
      const encoder = encoderFor(dinov2.tensors, { depth: 3, patch: 6, imagePx: 18 });
      const before = encoder.stateDict();
      const copies = [...before.values()].map((tensor) => tensor.clone());
      const attempt = (): unknown => initEncoder(encoder, dinov2);
      expect(attempt).toThrow(DataError);
      expect(attempt).toThrow(
        `${published('dinov2.pth')}: weights must fit the encoder, got depth 2 where it has 3, patch 4 where it has 6; ` +
          'add --set model.size=custom --set model.widthDim=8 --set model.depth=2 --set model.numHeads=H --set model.patch=4 ' +
          '--set model.imagePx=20, with the H attention heads of the file, which weights do not tell',
      );
      expect([...before.values()].every((tensor, i) => tensor.equal(present(copies[i])))).toBe(true);
    });
  });

  it('wants no setting changed that does not matter: a grid, LayerScale and registers that the file lacks', () => {
    torch.scope(() => {
      const encoder = encoderFor(dino.tensors, { imagePx: 20, layerScale: 1, numRegisters: 1, mlpRatio: 1 });
      expect(() => initEncoder(encoder, dino)).toThrow('got mlpRatio 2 where it has 1; add --set model.mlpRatio=2');
    });
  });

  it.each([
    [
      'integers',
      { 'norm.weight': torch.ones([8], { dtype: 'int8' }) },
      'norm.weight: int8 [8] in the file, float32 [8] in the encoder',
    ],
    ['positions of no square', { pos_embed: torch.zeros([1, 9, 8]) }, 'pos_embed: float32 [1, 9, 8] in the file'],
    ['positions of another width', { pos_embed: torch.zeros([1, 17, 4]) }, 'pos_embed: float32 [1, 17, 4] in the file'],
    ['a norm before the blocks, as CLIP has', { 'norm_pre.weight': torch.ones([8]) }, 'norm_pre.weight: not in the'],
    [
      "a part of Hugging Face's that ours have not",
      { 'encoder.layer.0.lambda_1': torch.ones([8]) },
      'encoder.layer.0.lambda_1: not in the encoder',
    ],
    [
      'a matrix for a patch embedding',
      { 'patch_embed.proj.weight': torch.zeros([8, 48]) },
      'patch_embed.proj.weight: float32 [8, 48]',
    ],
  ])('refuses %s', (_, change, message) => {
    torch.scope(() => expect(() => initEncoder(encoderFor(dino.tensors), changed(dino, change))).toThrow(message));
  });

  describe('beside a configuration', () => {
    const told = { path: 'weights/config.json', positionResize: 'size' } as const;
    const toldBy = (settings: object): LoadedWeights => ({
      ...dino,
      report: { ...dino.report, told: { ...told, ...settings } },
    });

    it('refuses another number of heads, with the settings that fit, and copies nothing', () => {
      torch.scope(() => {
        const encoder = encoderFor(dino.tensors);
        const before = encoder.clsToken.clone();
        expect(() => initEncoder(encoder, toldBy({ numHeads: 4 }))).toThrow(
          `${published('dino.pth')}: weights must fit the encoder, got numHeads 4 in weights/config.json where it has 2; ` +
            'add --set model.size=custom --set model.widthDim=8 --set model.depth=2 --set model.numHeads=4',
        );
        expect(encoder.clsToken.equal(before)).toBe(true);
        initEncoder(encoderFor(dino.tensors, { numHeads: 4 }), toldBy({ numHeads: 4 }));
      });
    });

    it('wants no LayerScale for one of 1', () => {
      torch.scope(() => {
        const ones = torch.ones([8]);
        const scales = [0, 1].flatMap((i) => [1, 2].map((j) => [`blocks.${i}.ls${j}.gamma`, ones] as const));
        const scaled = changed(toldBy({ numHeads: 4 }), Object.fromEntries(scales));
        expect(() => initEncoder(encoderFor(dino.tensors), scaled)).toThrow(/--set model\.numHeads=4$/);
      });
    });

    it('knows the heads of an encoder of another size too', () => {
      torch.scope(() => {
        const attempt = (): unknown => initEncoder(encoderFor(dino.tensors, { depth: 1 }), toldBy({ numHeads: 2 }));
        expect(attempt).toThrow(/got depth 2 where it has 1; add .* --set model\.depth=2 --set model\.numHeads=2$/);
      });
    });

    it('refuses another activation of an MLP', () => {
      torch.scope(() => {
        const encoder = encoderFor(dino.tensors);
        initEncoder(encoder, toldBy({ activation: 'gelu' }));
        expect(() => initEncoder(encoder, toldBy({ activation: 'quick_gelu' }))).toThrow(
          "an encoder's MLP must have GELU, got quick_gelu in weights/config.json; take another file",
        );
      });
    });
  });

  it('refuses an encoder that is no vision transformer', () => {
    torch.scope(() => {
      const { model } = parseConfig({ model: { kind: 'resnet18', imagePx: 32 } }, 'test');
      const encoder = createEncoder(model, torch.generator(0));
      expect(() => initEncoder(encoder, dino)).toThrow(ConfigError);
      expect(() => initEncoder(encoder, dino)).toThrow(
        'weights are of a vision transformer, got another encoder; set model.kind=vit',
      );
    });
  });
});
