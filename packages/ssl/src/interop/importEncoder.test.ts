/** Published encoders as ours: their own features come through the adapter, at the size that the file has. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { loadSafetensors } from '@halfway/torch/io';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../errors.js';
import { evalContext, expectClose, present } from '../models/fixture.case.js';
import { scratchFolder } from '../run/scratch.case.js';
import { describeSource } from './describeFit.js';
import { importEncoder } from './importEncoder.js';
import { published } from './published.case.js';

const scratch = scratchFolder();
const { tensors: features } = loadSafetensors(published('features.safetensors'));

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
      '  pixels      normalised by mean 0.485 0.456 0.406 and std 0.229 0.224 0.225, where its own are by mean 0.5 0.5 0.5 and std 0.5 0.5 0.5';
    const norms = `  norms       add 1e-6 to the variance, where ${join(folder, 'config.json')} says 1e-12`;
    expect(describeSource(report).split('\n').slice(1)).toEqual(
      name === 'hf-vit' ? [norms] : name === 'timm' ? [pixels] : [],
    );
    torch.scope(() => {
      const { cls } = torch.noGrad(() => encoder.forward(present(features.get('images')), evalContext()));
      expectClose(cls, present(features.get(`${file.split('.')[0]}/cls`)), 'cls');
    });
  });

  it('wants the number of heads where no published ViT has the width', async () => {
    await expect(importEncoder(published('dino.pth'))).rejects.toThrow(ConfigError);
  });
});
