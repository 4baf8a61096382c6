import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { patchPx } from '../config/patchPx.js';
import { configSchema, type Config } from '../config/schema.js';
import { createEncoder } from './createEncoder.js';
import { evalContext } from './fixture.case.js';

const TINY = { size: 'custom', widthDim: 8, depth: 1, numHeads: 2 } as const;
const MODELS = [
  { ...TINY, patch: 4, imagePx: 12 },
  { kind: 'resnet18', imagePx: 64 },
  { kind: 'resnet18', imagePx: 24, resnet: { stem: 'small' } },
] as const;

function modelOf(model: object): Config['model'] {
  return configSchema.parse({ model }).model;
}

describe('createEncoder', () => {
  it.each(MODELS)('%o: every side of the grid is imagePx over patchPx', (options) => {
    torch.scope(() => {
      const model = modelOf(options);
      const encoder = createEncoder(model, torch.generator(0));
      const { cls, patches } = encoder.forward(torch.zeros([2, 3, model.imagePx, model.imagePx]), evalContext());
      const grid = model.imagePx / patchPx(model);
      expect([encoder.gridPatches, encoder.patchPx]).toEqual([grid, patchPx(model)]);
      expect([cls.shape, patches.shape]).toEqual([
        [2, encoder.widthDim],
        [2, grid ** 2, encoder.widthDim],
      ]);
    });
  });

  it('gives a mask token where it is wanted, and says which encoder has none', () => {
    torch.scope(() => {
      const make = (model: object): string[] => [
        ...createEncoder(modelOf(model), torch.generator(0), { maskToken: true }).stateDict().keys(),
      ];
      expect(make(MODELS[0])).toContain('mask_token');
      expect(() => make(MODELS[1])).toThrow(
        'model.kind: an objective that hides patches needs an encoder with a mask token, got resnet18; use vit',
      );
    });
  });
});
