/** ResNet-18 from files of torchvision's names and from our own exports: every tensor is taken, or named with what it is to the encoder. */
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { saveSafetensors } from '@halfway/torch/io';
import { init } from '@halfway/torch/nn';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../config/parse.js';
import type { Config } from '../config/schema.js';
import { DataError } from '../errors.js';
import { Adapter } from '../models/adapter.js';
import { createEncoder } from '../models/createEncoder.js';
import type { Encoder } from '../models/encoder.js';
import { evalContext, present } from '../models/fixture.case.js';
import { scratchFolder } from '../run/scratch.case.js';
import { describeFit, describeSource } from './describeFit.js';
import { exportEncoder } from './exportEncoder.js';
import { importEncoder } from './importEncoder.js';
import { initEncoder } from './initEncoder.js';
import { type LoadedWeights, loadWeights } from './loadWeights.js';
import { encoderFor, published } from './published.case.js';

const scratch = scratchFolder();
const path = join(scratch, 'resnet18.safetensors');

function configOf(resnet: object = {}, imagePx = 32): Config {
  const model = { kind: 'resnet18', imagePx, resnet: { zeroInitResidual: false, ...resnet } };
  return parseConfig({ model, split: { dim: 4, equivariantDim: 2 } }, 'test');
}

/** With statistics as if trained. */
function drawn(config = configOf(), seed = 0): Encoder {
  const rng = torch.generator(seed);
  const encoder = createEncoder(config.model, rng);
  for (const buffer of encoder.buffers()) {
    if (buffer.rank === 1) init.uniform_(buffer, 0.5, 1.5, rng);
    else torch.noGrad(() => buffer.fill_(7));
  }
  return encoder;
}

const trained = drawn(configOf(), 1);
const ownNames = [...trained.stateDict().keys()];

let weights: LoadedWeights;
beforeAll(async () => {
  // All names are torchvision's (models/resnet.test.ts); beside them its files have `fc`.
  const fc = [
    ['fc.weight', torch.zeros([10, 512])],
    ['fc.bias', torch.zeros([10])],
  ] as const;
  saveSafetensors(path, new Map([...trained.stateDict(), ...fc]));
  weights = await loadWeights(path);
});

/** The same file with other tensors. */
function changed(change: Readonly<Record<string, torch.Tensor | undefined>>): LoadedWeights {
  const entries = Object.entries({ ...Object.fromEntries(weights.tensors), ...change });
  return {
    ...weights,
    tensors: new Map(entries.flatMap(([name, tensor]) => (tensor === undefined ? [] : [[name, tensor]]))),
  };
}

/** Names of tensors that differ in a bit. */
function differing(encoder: Encoder, from = trained): string[] {
  const own = encoder.stateDict();
  return [...from.stateDict()].flatMap(([name, tensor]) => (present(own.get(name)).equal(tensor) ? [] : [name]));
}

describe('a ResNet-18', () => {
  it("takes every tensor of torchvision's but the classifier, statistics and counts too", () => {
    torch.scope(() => {
      const encoder = drawn();
      const diff = initEncoder(encoder, weights);
      expect(describeSource(weights.report)).toBe(`${path}: torchvision`);
      expect(describeFit(diff)).toBe(
        '  matched     120 tensors\n  unexpected  fc.bias, fc.weight: no part of the encoder',
      );
      expect(differing(encoder)).toEqual([]);
    });
  });

  it('comes back from its own export bit for bit, alone and imported, with its adapter left out', async () => {
    const config = configOf({ stem: 'small', variant: 'sie' }, 24);
    const encoder = drawn(config, 2);
    const adapter = new Adapter(512, { location: 'adapter', dim: 4 }, torch.generator(0));
    const loaded = { encoder, adapter, config, runDir: undefined, source: 'test' };
    const [exported = ''] = exportEncoder(loaded, 'safetensors', join(scratch, 'own'));
    const imported = await importEncoder(exported);
    expect(imported.report).toMatchObject({ format: 'torchvision', prefix: 'encoder.' });
    expect(imported.report.leftOut).toEqual(['adapter.proj.bias', 'adapter.proj.weight']);
    expect(differing(imported.encoder, encoder)).toEqual([]);
    const { kind, imagePx, resnet } = imported.config.model;
    expect({ kind, imagePx, resnet }).toMatchObject({
      ...{ kind: 'resnet18', imagePx: 24, resnet: { stem: 'small', variant: 'sie' } },
    });
    torch.scope(() => {
      const images = torch.randn([1, 3, 24, 24], { generator: torch.generator(3) });
      const cls = [encoder, imported.encoder].map((one) => torch.noGrad(() => one.forward(images, evalContext()).cls));
      expect(present(cls[0]).equal(present(cls[1]))).toBe(true);
    });
  });

  it("is imported from torchvision's names at the size of ImageNet, and has no heads", async () => {
    const { config } = await importEncoder(path);
    expect(config.model).toMatchObject({ kind: 'resnet18', imagePx: 224, resnet: { stem: 'imagenet' } });
    expect(config.split).toMatchObject({ location: 'backbone', equivariantDim: 0 });
    await expect(importEncoder(path, { numHeads: 3 })).rejects.toThrow(
      `${path}: a ResNet-18 has no attention heads, got --heads 3; leave it out`,
    );
  });

  it('keeps its counts of batches where the file has none, and sums channels', () => {
    torch.scope(() => {
      const counts = ownNames.filter((name) => name.endsWith('num_batches_tracked'));
      const kernel = torch.randn([64, 1, 7, 7], { generator: torch.generator(4) });
      const older = Object.fromEntries(counts.map((name) => [name, undefined]));
      const lines = describeFit(initEncoder(drawn(), changed({ ...older, 'conv1.weight': kernel }))).split('\n');
      expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
        ['matched', '99 tensors'],
        ['adapted', 'conv1.weight: 1 channels summed and spread over 3'],
        ['missing', expect.stringMatching(/^bn1\.num_batches_tracked, .* and 17 more: kept/)],
        ['unexpected', 'fc.bias, fc.weight: no part of the encoder'],
      ]);
    });
  });

  it.each([
    [
      { stem: 'small' },
      40,
      'got resnet.stem imagenet where it has small; add --set model.resnet.stem=imagenet --set model.imagePx=64',
    ],
    [
      { variant: 'sie' },
      32,
      'got resnet.variant torchvision where it has sie; add --set model.resnet.variant=torchvision',
    ],
  ])('of %j refuses weights of another kind, with the settings that fit', (resnet, imagePx, message) => {
    torch.scope(() => {
      const encoder = drawn(configOf(resnet, imagePx));
      const before = encoder.stateDict().get('layer2.0.conv1.weight')?.clone();
      const attempt = (): unknown => initEncoder(encoder, weights);
      expect(attempt).toThrow(DataError);
      expect(attempt).toThrow(`${path}: weights must fit the encoder, ${message}`);
      expect(encoder.stateDict().get('layer2.0.conv1.weight')?.equal(present(before))).toBe(true);
    });
  });

  it('refuses the weights of a deeper one and of a vision transformer, which refuses its', async () => {
    const dino = await loadWeights(published('dino.pth'));
    torch.scope(() => {
      const encoder = drawn();
      const deeper = changed({
        'layer1.0.conv3.weight': torch.zeros([256, 64, 1, 1]),
        'layer1.0.downsample.0.weight': torch.zeros([256, 64, 1, 1]),
        'layer1.2.conv1.weight': torch.zeros([64, 256, 1, 1]),
      });
      expect(() => initEncoder(encoder, deeper)).toThrow(
        'weights must fit the encoder, got layer1.0.conv3.weight, layer1.0.downsample.0.weight, layer1.2.conv1.weight: ' +
          'not in the encoder; take another file',
      );
      expect(() => initEncoder(encoder, dino)).toThrow(/are of a vision transformer, .*; set model\.kind=vit$/);
      const vit = encoderFor(dino.tensors);
      expect(() => initEncoder(vit, weights)).toThrow(/are of a ResNet-18, .*; set model\.kind=resnet18$/);
    });
    dino.tensors.forEach((tensor) => tensor.dispose());
  });
});
