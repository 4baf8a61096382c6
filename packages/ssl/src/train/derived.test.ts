/** Numbers that follow from a configuration, and what its shapes can be. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../config/parse.js';
import { loadRecipe, recipeNames } from '../config/recipe.js';
import { ConfigError } from '../errors.js';
import { derivedValues } from './derived.js';

describe('derivedValues', () => {
  it("of the paper's recipe: schedule, grid, and parameters by part", () => {
    const { parameters, flops, memoryBytes, ...numbers } = derivedValues(loadRecipe('paper/vicreg-rot'), {
      numPhotos: 1_281_167,
      computeDtype: 'bfloat16',
    });
    expect(numbers).toEqual({
      ...{ steps: 500_456, warmupSteps: 6256, peakLr: 8e-4, imagesPerStep: 2048, imagesSeen: 500_456 * 2048 },
      ...{ numPhotos: 1_281_167, stepsPerEpoch: 1_281_167 / 2048, epochs: (500_456 * 2048) / 1_281_167 },
      ...{ views: { '224 px': 2 }, gridPatches: 14, tokens: 197, invariantDim: 256, computeDtype: 'bfloat16' },
    });
    expect(parameters).toEqual({
      encoder: 21_665_664, // timm's vit_small_patch16_224 without its classifier
      adapter: 384 * 512 + 512,
      expander: 256 * 1024 + 1024 * 1024 * 2 + 2 * 3 * 1024,
      decoders: 2 * 821_219, // models/decoder.ts: 512 -> 256 a token, then 256, 128, 64, 32, 3 channels by 4x4 kernels
      total: 21_665_664 + 197_120 + 2_365_440 + 1_642_438,
    });
  });

  it('counts the views of each size, and the teacher beside what is trained', () => {
    const config = loadRecipe('small/ibot', ['augment.local.count=4', 'augment.local.cropPx=16']);
    const { views, parameters } = derivedValues(config, { numPhotos: 64, computeDtype: 'float32' });
    expect(views).toEqual({ '32 px': 2, '16 px': 4 });
    expect((parameters['total'] ?? 0) - (parameters['teacher'] ?? 0)).toBe(128); // the student's mask token
  });

  it('every recipe can be built, and its step has a cost', () => {
    for (const name of recipeNames()) {
      const settings = name.startsWith('paper/') ? ['model.size=tiny'] : []; // all but the size of the encoder is the recipe's
      const { flops, memoryBytes } = derivedValues(loadRecipe(name, settings), {
        numPhotos: 64,
        computeDtype: 'float32',
      });
      expect([name, (flops['total'] ?? 0) > 1e10, (memoryBytes['total'] ?? 0) > 1e7]).toEqual([name, true, true]);
    }
  }, 120_000);

  it('random shapes are built, or refused with a reason', () => {
    const small = fc.integer({ min: 1, max: 12 });
    const shape = fc.record({
      patch: fc.integer({ min: 1, max: 20 }),
      grid: fc.integer({ min: 1, max: 3 }),
      headDim: small,
      numHeads: fc.integer({ min: 1, max: 3 }),
      mlpRatio: fc.double({ min: 0.5, max: 4, noNaN: true }),
      numRegisters: fc.integer({ min: 0, max: 2 }),
      layerScale: fc.constantFrom(0, 0.1),
      dim: fc.integer({ min: 2, max: 16 }),
      equivariantShare: fc.double({ min: 0, max: 0.99, noNaN: true }),
      expander: fc.array(small, { minLength: 1, maxLength: 3 }),
      target: fc.constantFrom('none', 'rotation', 'translation', 'se2', 'color', 'blur'),
      kind: fc.constantFrom('token_grid', 'global', 'conv_upsample'),
      concat: fc.constantFrom('feature', 'token'),
      channels: fc.constantFrom(8, 16),
    });
    let numBuilt = 0;
    fc.assert(
      fc.property(shape, (s) => {
        const { patch, numHeads, mlpRatio, numRegisters, layerScale, dim, expander, target, kind, concat, channels } =
          s;
        const model = { widthDim: s.headDim * numHeads, numHeads, depth: 1, mlpRatio, numRegisters, layerScale };
        const tree = {
          model: { size: 'custom', ...model, patch, imagePx: patch * s.grid },
          split: { dim, equivariantDim: Math.max(1, Math.floor(dim * s.equivariantShare)) },
          vicreg: { expander },
          recon: { target, concat },
          decoder: { kind, channels },
        };
        try {
          expect(
            derivedValues(parseConfig(tree, 'random'), { numPhotos: 1, computeDtype: 'float32' }).parameters['total'],
          ).toBeGreaterThan(0);
          numBuilt += 1;
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
        }
      }),
      { numRuns: 60 },
    );
    expect(numBuilt).toBeGreaterThan(10);
  });
});
