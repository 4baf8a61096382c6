/** Published encoders as ours: their own features come through the adapter, at the size that the file has. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { loadSafetensors, saveSafetensors } from '@halfway/torch/io';
import { describe, expect, it } from 'vitest';
import { PIXEL_MEAN, PIXEL_STD } from '../config/pixelStatistics.js';
import { ConfigError, DataError } from '../errors.js';
import { evalContext, expectClose, present } from '../models/fixture.case.js';
import { scratchFolder } from '../run/scratch.case.js';
import { describeSource } from './describeFit.js';
import { importEncoder } from './importEncoder.js';
import { published } from './published.case.js';
import { publishedHeads } from './vitSettings.js';

const scratch = scratchFolder();
const { tensors: features } = loadSafetensors(published('features.safetensors'));

/** Images that were normalised by 0.5 and 0.5, as we normalise. */
function asOurs(images: torch.Tensor): torch.Tensor {
  const perChannel = (values: readonly number[]): torch.Tensor => torch.tensor([...values]).reshape([1, 3, 1, 1]);
  return images.mul(0.5).add(0.5).sub(perChannel(PIXEL_MEAN)).div(perChannel(PIXEL_STD));
}

describe('importEncoder', () => {
  it.each([
    ['dinov2.pth', 'dinov2', { layerScale: 1, numRegisters: 0, positionResize: 'offset' }],
    ['dino.pth', 'dino', { layerScale: 0, numRegisters: 0, positionResize: 'offset' }],
    ['timm-registers.safetensors', 'timm-registers', { layerScale: 1, numRegisters: 3, positionResize: 'size' }],
  ] as const)('of %s has its features, unchanged by the adapter, and its settings', async (file, name, settings) => {
    const { encoder, adapter, config, source } = await importEncoder(published(file), { numHeads: 2 });
    expect([source, config.model, config.split]).toMatchObject([
      published(file),
      { kind: 'vit', widthDim: 8, depth: 2, numHeads: 2, mlpRatio: 2, patch: 4, imagePx: 12, ...settings },
      { location: 'backbone', equivariantDim: 0 },
    ]);
    torch.scope(() => {
      const { cls, patches } = torch.noGrad(() =>
        adapter.forward(encoder.forward(present(features.get('images')), evalContext()), evalContext()),
      );
      expectClose(cls, present(features.get(`${name}/cls`)), 'cls');
      expectClose(patches, present(features.get(`${name}/patches`)), 'patches');
    });
  });

  it.each([
    ['hf-vit', 'hf-vit.safetensors'],
    ['hf-dinov2', 'hf-dinov2.safetensors'],
    ['timm', 'dino.pth'],
  ] as const)('takes heads and the way to resize positions from a config.json of %s', async (name, file) => {
    const folder = join(scratch, name);
    mkdirSync(folder);
    const path = join(folder, file);
    copyFileSync(published(file), path);
    copyFileSync(published(`${name}.config.json`), join(folder, 'config.json'));
    const { config, encoder, report } = await importEncoder(path);
    expect(config.model).toMatchObject({ numHeads: 2, positionResize: 'size' });
    const pixels =
      '  pixels      its mean 0.5 0.5 0.5 and std 0.5 0.5 0.5 are folded into the patch embedding, for images of mean 0.485 0.456 0.406 and std 0.229 0.224 0.225';
    const norms = `  norms       add 1e-6 to the variance, where ${join(folder, 'config.json')} says 1e-12`;
    expect(describeSource(report).split('\n').slice(1)).toEqual(
      name === 'hf-vit' ? [norms] : name === 'timm' ? [pixels] : [],
    );
    torch.scope(() => {
      const theirs = present(features.get('images'));
      const images = name === 'timm' ? asOurs(theirs) : theirs;
      const { cls } = torch.noGrad(() => encoder.forward(images, evalContext()));
      expectClose(cls, present(features.get(`${file.split('.')[0]}/cls`)), 'cls');
    });
  });

  it('names a network that is no vision transformer by what it lacks', async () => {
    const path = join(scratch, 'patches.safetensors');
    torch.scope(() =>
      saveSafetensors(
        path,
        new Map([
          ['patch_embed.proj.weight', torch.ones([96, 3, 4, 4])],
          ['cls_token', torch.ones([1, 1, 96])],
        ]),
      ),
    );
    await expect(importEncoder(path)).rejects.toThrow(DataError);
  });

  it("knows that MoCo v3's ViT-S has twice the heads of the others", () => {
    const prefixes = ['', 'module.momentum_encoder.', 'module.base_encoder.'];
    expect(prefixes.map((prefix) => publishedHeads(384, prefix))).toEqual([6, 12, 12]);
    expect(prefixes.map((prefix) => publishedHeads(768, prefix))).toEqual([12, 12, 12]);
  });

  it('wants the number of heads where no published ViT has the width', async () => {
    await expect(importEncoder(published('dino.pth'))).rejects.toThrow(ConfigError);
  });
});
