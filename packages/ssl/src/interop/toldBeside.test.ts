/** Configurations beside weights, as each program writes them: read where they are of these weights, and of no others. */
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { configText } from '../config/recipe.js';
import { DataError, RunError } from '../errors.js';
import { scratchFolder, tinyConfig } from '../run/scratch.case.js';
import { published } from './published.case.js';
import { type ToldBeside, toldBeside } from './toldBeside.js';

const scratch = scratchFolder();

/** What is told of weights of a width and of two blocks, beside which these files lie. */
function toldOf(widthDim: number, files: Readonly<Record<string, string>>, weights = 'a.pth'): ToldBeside | undefined {
  const folder = mkdtempSync(join(scratch, 'case-'));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    if (content.startsWith('/')) copyFileSync(content, join(folder, name));
    else writeFileSync(join(folder, name), content);
  }
  const embedding = { 'patch_embed.proj.weight': [widthDim, 3, 4, 4] };
  const shapes = { ...embedding, 'blocks.0.norm1.bias': [8], 'blocks.1.norm1.bias': [8] };
  return torch.scope(() => {
    const tensors = Object.entries(shapes).map(([name, shape]) => [name, torch.zeros([1]).expand(shape)] as const);
    const told = toldBeside(join(folder, weights), new Map(tensors));
    return told && { ...told, path: told.path.slice(folder.length + 1) };
  });
}

const jsonOf = (value: object): Readonly<Record<string, string>> => ({ 'config.json': JSON.stringify(value) });

describe('toldBeside', () => {
  it.each([
    ['timm.config.json', { numHeads: 2, widthDim: 8, depth: 2, positionResize: 'size' }],
    ['hf-dinov2.config.json', { numHeads: 2, widthDim: 8, depth: 2, normEps: 1e-6, activation: 'gelu' }],
    ['hf-dinov2-registers.config.json', { numHeads: 2, positionResize: 'size', normEps: 1e-6, activation: 'gelu' }],
    ['hf-vit.config.json', { numHeads: 2, positionResize: 'size', normEps: 1e-12, activation: 'gelu' }],
  ] as const)('reads %s', (name, settings) => {
    expect(toldOf(8, { 'config.json': published(name) })).toMatchObject({ path: 'config.json', ...settings });
  });

  it('reads the configuration of an export and, of a checkpoint, that of its run', () => {
    const config = tinyConfig('model.depth=2', 'model.numHeads=4', 'model.positionResize=offset');
    const told = { widthDim: 8, depth: 2, numHeads: 4, positionResize: 'offset' };
    expect(toldOf(8, jsonOf({ version: 1, ...config }))).toEqual({ path: 'config.json', ...told });
    const run = { 'run.json': '{}', 'config.yaml': configText(config), 'checkpoints/step-3/state.json': '{}' };
    const weights = 'checkpoints/step-3/model.safetensors';
    expect(toldOf(8, run, weights)).toEqual({ path: 'config.yaml', ...told });
    const { 'run.json': _manifest, ...other } = run; // DINOv2 too writes a config.yaml
    expect(toldOf(8, other, weights)).toBeUndefined();
  });

  it.each([
    [384, { architecture: 'vit_small_patch14_dinov2', num_features: 384 }, 6],
    [192, { architecture: 'deit3_small_patch16_224', num_features: 192, model_args: { embed_dim: 192 } }, 6],
    [192, { architecture: 'vit_small_patch16_224', model_args: { embed_dim: 192, num_heads: 4 } }, 4],
    [1408, { architecture: 'vit_giant_patch14_224', num_features: 1408 }, undefined],
  ])("takes heads of width %i from an architecture's name where %j says no others", (widthDim, json, numHeads) => {
    expect(toldOf(widthDim, jsonOf(json))?.numHeads).toBe(numHeads);
  });

  it('reads by what Hugging Face normalises images', () => {
    const images = JSON.stringify({ image_mean: [0.5, 0.4, 0.3], image_std: [1, 2, 3] });
    const files = { 'config.json': published('hf-vit.config.json'), 'preprocessor_config.json': images };
    expect(toldOf(8, files)?.pixels).toEqual({ mean: [0.5, 0.4, 0.3], std: [1, 2, 3] });
  });

  it.each([
    ['nothing', {}],
    ['another width', jsonOf({ hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2 })],
    ['another depth', jsonOf({ hidden_size: 8, num_hidden_layers: 3, num_attention_heads: 2 })],
    ['another kind of network', jsonOf({ architecture: 'resnet18', num_features: 8 })],
    ['texts for numbers', jsonOf({ hidden_size: '8', num_hidden_layers: 2, num_attention_heads: 2 })],
    ['no configuration', jsonOf([1, 2])],
  ])('tells nothing by %s', (_, files) => {
    expect(toldOf(8, files)).toBeUndefined();
  });

  it('refuses a file that is cut off, by its name', () => {
    const attempt = (): unknown => toldOf(8, { 'config.json': '{"hidden_size": 8' });
    expect(attempt).toThrow(DataError);
    expect(attempt).toThrow(/config\.json: the configuration beside weights must be JSON, got .*; mend it, or move it/);
  });

  it('refuses an export of another version, by its name', () => {
    const attempt = (): unknown => toldOf(8, jsonOf({ ...tinyConfig('model.depth=2'), version: 2 }));
    expect(attempt).toThrow(RunError);
    expect(attempt).toThrow(/config\.json must be of version 1, got 2; use the halfway that made it/);
  });
});
