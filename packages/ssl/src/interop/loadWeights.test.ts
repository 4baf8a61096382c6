/** Files of every published form, made with the projects' own model classes: the same features as theirs, and no tensor unread. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { loadSafetensors, saveSafetensors } from '@halfway/torch/io';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError, DataError } from '../errors.js';
import { evalContext, expectClose, present } from '../models/fixture.case.js';
import { scratchFolder } from '../run/scratch.case.js';
import { describeSource } from './describeFit.js';
import { FORMAT_NAMES, type FormatName } from './formatNames.js';
import { FORMATS } from './formats.js';
import { initEncoder } from './initEncoder.js';
import { loadWeights } from './loadWeights.js';
import { encoderFor, published } from './published.case.js';
import type { WeightChoice } from './recognise.js';
import { openWeightFile } from './weightFile.js';

const { tensors: features } = loadSafetensors(published('features.safetensors'));

interface Form {
  readonly file: string;
  readonly choice?: WeightChoice;
  readonly features: string;
  readonly format: FormatName;
  readonly prefix?: string;
  /** Tensors that the encoder takes: 6 outside of the blocks, 12 a block, 14 with LayerScale. */
  readonly matched: number;
  readonly unexpected?: readonly string[];
  readonly leftOut?: number;
  readonly skipped?: readonly string[];
}

const IBOT = { file: 'ibot.pth', format: 'dino', matched: 30, skipped: ['args (argparse.Namespace)'] } as const;
const FORMS: readonly Form[] = [
  { file: 'dinov2.pth', features: 'dinov2', format: 'dinov2', matched: 34, unexpected: ['mask_token'] },
  {
    file: 'dinov2-teacher.pth', // chunked blocks, with a head
    features: 'dinov2',
    format: 'dinov2',
    prefix: 'teacher.backbone.',
    matched: 34,
    unexpected: ['mask_token'],
    leftOut: 3,
  },
  { file: 'dino.pth', features: 'dino', format: 'dino', matched: 30 },
  // 3 tensors of each head, the other network, 3 of the optimizer, 2 centres
  { ...IBOT, features: 'ibot-teacher', prefix: 'teacher.backbone.', leftOut: 3 + (31 + 3) + 3 + 2 },
  {
    ...IBOT,
    choice: { key: 'student' },
    features: 'ibot-student',
    prefix: 'student.module.backbone.',
    unexpected: ['mask_token'],
    leftOut: 3 + (30 + 3) + 3 + 2,
  },
  { file: 'mae.pth', features: 'mae', format: 'mae', prefix: 'model.', matched: 30, leftOut: 5 },
  { file: 'timm-registers.safetensors', features: 'timm-registers', format: 'timm', matched: 35 },
  { file: 'timm-no-class-position.safetensors', features: 'timm-no-class-position', format: 'timm', matched: 35 },
  {
    file: 'hf-dinov2.safetensors',
    features: 'hf-dinov2',
    format: 'hf-dinov2',
    matched: 34,
    unexpected: ['mask_token'],
  },
  {
    file: 'hf-dinov2-registers.safetensors',
    features: 'hf-dinov2-registers',
    format: 'hf-dinov2',
    matched: 35,
    unexpected: ['mask_token'],
  },
  {
    file: 'hf-vit.safetensors',
    features: 'hf-vit',
    format: 'hf-vit',
    matched: 30,
    unexpected: ['pooler.dense.bias', 'pooler.dense.weight'],
  },
];

describe('weights of', () => {
  for (const form of FORMS) {
    it(`${form.file} ${form.choice?.key ?? ''} give their model's features`, async () => {
      const { file, choice, format, prefix = '', leftOut = 0, skipped = [], unexpected = [] } = form;
      const weights = await loadWeights(published(file), choice);
      expect(weights.report).toMatchObject({ path: published(file), format, prefix, skipped });
      expect(weights.report.leftOut).toHaveLength(leftOut);
      torch.scope(() => {
        const encoder = encoderFor(weights.tensors);
        const diff = initEncoder(encoder, weights);
        const namesOf = (kind: string): string[] =>
          diff.flatMap(({ name, standing }) => (standing === kind ? [name] : []));
        expect([namesOf('matched').length, namesOf('unexpected'), diff.length]).toEqual([
          form.matched,
          unexpected,
          form.matched + unexpected.length,
        ]);
        const tokens = torch.noGrad(() => encoder.forward(present(features.get('images')), evalContext()));
        // f32 arithmetic in another order
        for (const part of ['cls', 'patches'] as const) {
          expectClose(tokens[part], present(features.get(`${form.features}/${part}`)), part, 1e-5);
        }
      });
    });
  }
});

describe('loadWeights', () => {
  const path = join(scratchFolder(), 'weights.safetensors');

  /** A file of tensors of one number, by these names. */
  function write(...names: string[]): string {
    saveSafetensors(path, new Map(names.map((name) => [name, torch.zeros([1])])));
    return path;
  }

  it.each([
    [
      ['fc.weight'],
      {},
      'weights must have embeddings.patch_embeddings.projection.weight or patch_embed.proj.weight or layer1.0.conv1.weight, got fc.weight; is it',
    ],
    [
      ['a.patch_embed.proj.weight'],
      { key: 'b' },
      'or layer1.0.conv1.weight below b, got a.patch_embed.proj.weight; is it another kind of network?',
    ],
    [['a.patch_embed.proj.weight'], { key: '' }, "or layer1.0.conv1.weight below '', got a.patch_embed.proj.weight;"],
    [
      ['patch_embed.proj.weight'],
      { format: 'hf-vit' },
      'weights must have embeddings.patch_embeddings.projection.weight, got patch_embed.proj.weight',
    ],
    [
      ['x.patch_embed.proj.weight', 'patch_embed.proj.weight'],
      {},
      "must be of one network, got those below '', x; say which, such as --key x to halfway import or --set init.key=x to halfway pretrain",
    ],
    [
      ['embeddings.patch_embeddings.projection.weight'],
      {},
      'must be named in a known format (dinov2, dino, mae, timm, hf-dinov2, hf-vit, torchvision), got embeddings.',
    ],
  ] as const)('refuses %j with %j', async (names, choice, message) => {
    await expect(loadWeights(write(...names), choice)).rejects.toThrow(DataError);
    await expect(loadWeights(path, choice)).rejects.toThrow(`${path}: `);
    await expect(loadWeights(path, choice)).rejects.toThrow(message);
  });

  it.each([
    ['registers', ['reg_token'], 'timm'],
    ['a gated feed-forward part under the names of a plain one', ['blocks.0.mlp.fc1.weight', [16, 4]], 'timm'],
    ['as many positions as patches', ['pos_embed', [1, 9, 4]], 'timm'],
    ['a row of positions for the class token too', ['pos_embed', [1, 10, 4]], 'dino'],
    ['nothing else', ['norm.weight'], 'dino'],
  ] as const)('counts a file with %s as %s', async (_, [name, shape = [4]], format) => {
    const second = torch.zeros([4, 8]); // of a hidden width of 8
    const tensors = { 'patch_embed.proj.weight': torch.zeros([4, 3, 2, 2]), 'blocks.0.mlp.fc2.weight': second };
    saveSafetensors(path, new Map(Object.entries({ ...tensors, [name]: torch.zeros([...shape]) })));
    expect((await loadWeights(path)).report.format).toBe(format);
  });

  it('takes the teacher of several networks, and with a key any', async () => {
    const names = ['encoder', 'teacher.encoder', 'ema.teacher.x'].map((prefix) => `${prefix}.patch_embed.proj.weight`);
    const prefixOf = async (choice: WeightChoice, ...given: string[]): Promise<string> =>
      (await loadWeights(write(...given), choice)).report.prefix;
    expect(await prefixOf({}, ...names.slice(0, 2))).toBe('teacher.encoder.');
    expect(await prefixOf({ key: 'encoder' }, ...names)).toBe('encoder.');
    expect(await prefixOf({ key: '' }, 'patch_embed.proj.weight', ...names)).toBe('');
    expect(await prefixOf({ key: 'ema.teacher' }, ...names)).toBe('ema.teacher.x.');
    await expect(prefixOf({}, ...names)).rejects.toThrow(
      'must be of one network, got those below ema.teacher.x, teacher.encoder;',
    );
  });

  it('says of a file that is not there, or no file of weights', async () => {
    await expect(loadWeights('/nowhere.pth')).rejects.toThrow('/nowhere.pth: a file of weights must exist, got none;');
    writeFileSync(path, '');
    await expect(loadWeights(path)).rejects.toThrow(`${path}: a file must have at least 8 bytes, got 0`);
    writeFileSync(path, 'no weights at all, but longer than a header');
    await expect(loadWeights(path)).rejects.toThrow(/weights\.safetensors: the header must fit the file/);
  });

  it('ends in weights or a named error whatever the names and shapes are, and so does an encoder that takes them', async () => {
    const bare = FORMS.filter(({ prefix }) => prefix === undefined);
    const files = await Promise.all(bare.map(({ file }) => openWeightFile(published(file))));
    const known = files.flatMap(({ shapes }) => [...shapes.keys()]);
    files.forEach((file) => file.close());
    const dinov2 = await loadWeights(published('dinov2.pth'));
    const encoder = encoderFor(dinov2.tensors);
    const shape = fc.oneof(
      fc.constantFrom([8], [24, 8], [1, 10, 8], [1, 1, 8], [8, 3, 4, 4]),
      fc.array(fc.nat(5), { maxLength: 5 }),
    );
    const anchors = fc.constantFrom(...new Set(FORMATS.map(({ anchor }) => anchor)));
    const state = fc
      .tuple(fc.tuple(anchors, shape), fc.array(fc.tuple(fc.constantFrom(...known), shape), { maxLength: 40 }))
      .map(([anchor, entries]) => [...entries, anchor]);
    const refused = new Set<string>();
    const isNamed = (error: unknown): boolean =>
      (error instanceof DataError && error.message.startsWith(`${path}: weights must `)) ||
      (error instanceof ConfigError && error.message.endsWith('set model.kind=resnet18'));
    await fc.assert(
      fc.asyncProperty(state, fc.constantFrom(undefined, ...FORMAT_NAMES), async (entries, format) => {
        saveSafetensors(path, new Map(entries.map(([name, sizes]) => [name, torch.zeros(sizes)])));
        try {
          const weights = await loadWeights(path, format === undefined ? {} : { format });
          torch.scope(() => initEncoder(encoder, weights));
        } catch (error) {
          if (!isNamed(error)) throw error;
          refused.add(/weights must (have the shapes|fit the encoder|be named)/.exec(String(error))?.[1] ?? '');
        }
      }),
      { numRuns: 300, seed: 1 },
    );
    expect([...refused].filter(Boolean).sort()).toEqual(['be named', 'fit the encoder', 'have the shapes']);
  });

  it('tells people what of the file it is', async () => {
    const { report } = await loadWeights(published('ibot.pth'));
    expect(describeSource(report)).toBe(
      [
        `${published('ibot.pth')}: dino, below teacher.backbone`,
        '  left out    student.module.backbone.cls_token, student.module.backbone.pos_embed, student.module.backbone.patch_embed.proj.weight and 39 more',
        '  skipped     args (argparse.Namespace)',
      ].join('\n'),
    );
  });
});
