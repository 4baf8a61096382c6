/** Published encoders as ours: their own features come through the adapter, at the size that the file has. */
import * as torch from '@halfway/torch';
import { loadSafetensors } from '@halfway/torch/io';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../errors.js';
import { evalContext, expectClose, present } from '../models/fixture.case.js';
import { importEncoder } from './importEncoder.js';
import { published } from './published.case.js';

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

  it('wants the number of heads where no published ViT has the width', async () => {
    await expect(importEncoder(published('dino.pth'))).rejects.toThrow(ConfigError);
  });
});
