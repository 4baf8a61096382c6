/** Messages are what a user sees of the schema: each rule's text is fixed here. */
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../errors.js';
import { configJsonSchema, parseConfig } from './parse.js';
import { configSchema } from './schema.js';

/** The message and the key of the error that a tree causes. */
function errorOf(tree: unknown): { readonly message: string; readonly path: string | undefined } {
  try {
    parseConfig(tree, 'mine.yaml');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { message: error.message, path: error.path };
  }
  throw new Error('nothing was wrong');
}

describe('parseConfig', () => {
  it('fills in every default, and the result parses to itself', () => {
    const config = parseConfig({}, 'test');
    expect(config.recon).toMatchObject({
      target: 'none',
      lambda: 1,
      intermediates: 2,
      fill: 'zeros',
      sharedCrop: false,
    });
    expect(parseConfig(config, 'test')).toEqual(config);
    expect(parseConfig(undefined, 'an empty file')).toEqual(config);
  });

  it('names the nearest key, with its path, for an unknown one', () => {
    expect(errorOf({ recon: { lamda: 3 } })).toEqual({
      message: 'mine.yaml: there is no key recon.lamda; did you mean recon.lambda?',
      path: 'recon.lamda',
    });
    expect(errorOf({ optimizer: {} }).message).toContain('known here: model, split, objective');
    expect(errorOf({ transform: { color: { bright: 1 } } }).message).toContain('known here: brightness, contrast');
  });

  it('says which rule a value breaks', () => {
    const cases: [tree: object, message: string][] = [
      [{ train: { steps: 'abc' } }, 'train.steps: must be a number, got "abc"'],
      [{ train: { steps: 1.5 } }, 'train.steps: must be a whole number, got 1.5'],
      [{ train: { batch: 1 } }, 'train.batch: must be at least 2, got 1'],
      [{ train: { seed: -1 } }, 'train.seed: must be at least 0, got -1'],
      [{ optim: { lr: 0 } }, 'optim.lr: must be above 0, got 0'],
      [{ optim: { betas: [0.9, 1] } }, 'optim.betas.1: must be below 1, got 1'],
      [{ optim: 3 }, 'optim: must be a section of keys, got 3'],
      [{ model: { size: 'huge' } }, 'model.size: must be custom or tiny or small or base or large, got "huge"'],
      [{ recon: { sharedCrop: 'yes' } }, 'recon.sharedCrop: must be true or false, got "yes"'],
      [{ vicreg: { expander: [] } }, 'vicreg.expander: must have 1 entries or more, got []'],
      [{ augment: { cropScale: [0.5, 0.2] } }, 'the first number must not exceed the second, got [0.5,0.2]'],
      [{ augment: { blurProb: [0.5] } }, 'augment.blurProb: must have 2 entries or more, got [0.5]'],
    ];
    for (const [tree, message] of cases) expect(errorOf(tree).message).toContain(message);
  });

  it('checks rules that span keys, and says what to use', () => {
    const cases: [tree: object, path: string, message: string][] = [
      [
        { model: { imagePx: 36, patch: 8 } },
        'model.imagePx',
        'must be a multiple of the patch, 8 px, got 36 px; use 32 or 40',
      ],
      [{ model: { imagePx: 4, patch: 8 } }, 'model.imagePx', 'must be a multiple of the patch, 8 px, got 4 px; use 8'],
      [
        { model: { kind: 'resnet18', imagePx: 40 } },
        'model.imagePx',
        'must be a multiple of the patch, 32 px, got 40 px; use 32 or 64',
      ],
      [
        { recon: { target: 'blur', intermediates: 0 } },
        'recon.intermediates',
        'must be at least 1 without recon.includeFinal, got 0; set one of them',
      ],
      [
        { recon: { target: 'blur', concat: 'cross_attention', attentionHeads: 7 } },
        'recon.attentionHeads',
        'must divide split.equivariantDim 256, got 7; use 4 or 8',
      ],
      [{ split: { dim: 64 } }, 'split.equivariantDim', 'must lie between 0 and 63, got 256 of 64 features; use 32'],
      [
        { model: { size: 'tiny' }, split: { location: 'backbone' } },
        'split.equivariantDim',
        'must lie between 0 and 191, got 256 of 192 features; use 96',
      ],
      [
        { recon: { target: 'blur' }, split: { equivariantDim: 0 } },
        'split.equivariantDim',
        'must lie between 1 and 511, got 0 of 512 features; use 256',
      ],
      [
        { objective: 'dinov2', dinov2: { koleoGroup: 24 }, train: { batch: 64 } },
        'dinov2.koleoGroup',
        'must divide train.batch 64, got 24; use 16 or 32',
      ],
      [{ dinov2: { koleoGroup: 1 } }, 'dinov2.koleoGroup', 'must be 0, or 2 and more'],
      [{ augment: { blurKernelPx: 8 } }, 'augment.blurKernelPx', 'must be odd, or 0'],
      [
        { model: { size: 'custom', widthDim: 100 } },
        'model.numHeads',
        'must divide model.widthDim 100, got 6; use 5 or 10',
      ],
      [
        { recon: { target: 'rotation' }, decoder: { channels: 60 } },
        'decoder.channels',
        'must be a multiple of 8, got 60; use 56 or 64',
      ],
      [{ optim: { lr: 1e-4, minLr: 1e-3 } }, 'optim.minLr', 'must not exceed optim.lr 0.0001, got 0.001; lower it'],
      [
        { optim: { lr: 1e-3, minLr: 5e-4, lrScaling: 'linear_256' }, train: { batch: 64 } },
        'optim.minLr',
        'must not exceed what optim.lrScaling makes of optim.lr 0.001, 0.00025, got 0.0005; lower it',
      ],
      [
        { recon: { target: 'se2' }, transform: { stage: 'after_crop' }, augment: { preset: 'rot' } },
        'transform.stage',
        'after_crop is after_photometric where augment.preset is rot; leave it out',
      ],
      [
        { recon: { target: 'se2' }, transform: { stage: 'after_crop' }, augment: { preset: 'none' } },
        'transform.stage',
        'leave it out',
      ],
    ];
    for (const [tree, path, message] of cases) {
      const error = errorOf(tree);
      expect(error.path).toBe(path);
      expect(error.message).toContain(message);
    }
  });

  it('checks the keys of a task only where there is one: the plain base of a recipe is the recipe with target none', () => {
    expect(parseConfig({ recon: { target: 'none' }, decoder: { channels: 60 } }, 'test').decoder.channels).toBe(60);
    const theta = { target: 'blur', of: 'theta', concat: 'cross_attention', attentionHeads: 7 };
    expect(parseConfig({ recon: theta, decoder: { channels: 60 } }, 'test').recon.of).toBe('theta');
  });
});

describe('configJsonSchema', () => {
  it('describes every section, and allows to leave everything out', () => {
    const schema = JSON.parse(JSON.stringify(configJsonSchema())) as {
      properties: Record<string, { additionalProperties: boolean }>;
      required?: string[];
    };
    expect(Object.keys(schema.properties)).toEqual(Object.keys(configSchema.shape));
    expect(schema.required ?? []).toEqual([]);
    expect(schema.properties['recon']?.additionalProperties).toBe(false);
    expect(JSON.stringify(schema)).toContain('(E.5-23)'); // descriptions travel with it
  });
});
