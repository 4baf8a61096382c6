import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generator, memory, scope, type Tensor } from '@halfway/torch';
import { saveSafetensors } from '@halfway/torch/io';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../config/schema.js';
import { folderOf, picture } from '../data/photos.case.js';
import { Adapter } from '../models/adapter.js';
import { Vit, vitConfig } from '../models/vit.js';
import { createObjective } from '../objectives/create.js';
import type { EvalReport } from '../protocol/report.js';
import { writeCheckpoint } from '../run/checkpoint.js';
import { RunFolder } from '../run/runFolder.js';
import { manifestOf, tinyConfig } from '../run/scratch.case.js';
import { evaluate, type EvaluateOptions } from './evaluate.js';
import { EvaluationData } from './evaluationData.js';
import { crossValidatedKnn } from './knn/crossValidate.js';

const config = configSchema.parse({
  model: { size: 'custom', widthDim: 16, depth: 1, numHeads: 2, patch: 8, imagePx: 16 },
  split: { dim: 8, equivariantDim: 4 },
  eval: { r2: { anglesPerImage: 2, headWidth: 8, headEpochs: 2 }, knnK: 3 },
  data: { decodeProcesses: 1 },
});
const tiny = tinyConfig(); // of a run
const folder = mkdtempSync(join(tmpdir(), 'halfway-eval-'));
const weights = join(folder, 'backbone.safetensors');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Exports an untrained backbone with its config.json, and leaves no tensor: the collector would end it during a leak test. */
function exportBackbone(seed: number): void {
  const rng = generator(seed);
  const parts = scope(() => ({
    encoder: new Vit(vitConfig(config.model), rng),
    adapter: new Adapter(16, config.split, rng),
  }));
  const tensors = Object.entries(parts).flatMap(([name, module]) =>
    [...module.stateDict()].map(([key, value]): [string, Tensor] => [`${name}.${key}`, value]),
  );
  saveSafetensors(weights, new Map(tensors));
  for (const [, tensor] of tensors) tensor.dispose();
  rng.dispose();
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ version: 1, model: config.model, split: config.split }));
}

let photos = '';
beforeAll(async () => {
  exportBackbone(1);
  const files: Record<string, Buffer> = {};
  for (let i = 0; i < 60; i++) {
    // Two classes that a blind man could tell apart: dark ones and bright ones.
    const image = picture(i, 24 + (i % 4) * 8, 40).linear(0.4, i % 2 === 0 ? 0 : 150);
    files[`${i % 2 === 0 ? 'dark' : 'bright'}/${i}.png`] = await image.png().toBuffer();
  }
  photos = folderOf({ ...files, 'phone.HEIC': 'x' });
});

const notices: string[] = [];
function evaluateAll(changes: Partial<EvaluateOptions> = {}): Promise<EvalReport> {
  return evaluate({
    ...{ run: weights, train: [photos], baseline: 'random' },
    settings: { eval: config.eval, data: config.data },
    onProgress: (text) => notices.push(text),
    ...changes,
  });
}

describe('evaluate', () => {
  let first: EvalReport;
  let shared: EvaluationData; // renderings in memory: each pass over photos starts decode processes

  it('runs every task on the trained and the untrained encoder, and says what was done', async () => {
    shared = new EvaluationData({ train: [photos], data: config.data });
    first = await evaluateAll({ photos: shared });
    const { tasks, baseline, data, source } = first;
    expect(notices.filter((text) => text.includes('read'))).toEqual([`${photos}: 1 file like *.heic is not read`]);
    expect(source).toBe(weights);
    expect(data.numTrain + data.numTest).toBe(60);
    expect(data.test).toContain('20 % of the photos by hash of the id');
    expect(tasks.knn?.top1).toBe(100);
    expect(tasks.linear?.top1).toBe(100);
    expect(tasks.rank?.effectiveRank).toBeGreaterThan(1);
    expect(tasks.rank?.effectiveRank).toBeLessThan(16);
    expect(tasks.rank?.protocol).toContain(
      'effective rank (Roy and Vetterli 2007) of the centred features of 60 photos',
    );
    expect(tasks.r2?.detail).toHaveLength(16);
    for (const row of tasks.r2?.detail ?? []) expect(Number.isFinite(row.perDimensionMean)).toBe(true);
    expect(baseline?.r2?.inside).not.toEqual(tasks.r2?.inside);
    // 16 px views: a rendering of 23 + 2 px, and one more to be even; photos of 24 px are smaller.
    expect(tasks.r2?.protocol).toContain(
      'central 16 px of a 26 px rendering (15 of 60 photos are smaller and were enlarged)',
    );
    expect(tasks.r2?.protocol).toContain('2 thetas a photo');
    expect(Object.keys(first.timings)).toEqual(
      expect.arrayContaining(['features', 'r2 heads', 'knn', 'linear', 'rank', 'rendering']),
    );
  });

  it('takes the features from the cache the next time, renders nothing, and gives the same figures', async () => {
    notices.length = 0;
    const before = memory.stats().liveTensors;
    const again = await evaluateAll();
    expect(again.tasks).toEqual(first.tasks);
    expect(again.baseline).toEqual(first.baseline);
    expect(again.timings['rendering']).toBe(0);
    expect(notices.filter((text) => /photos, .* \d+\/\d+$/.test(text))).toEqual([]);
    expect(memory.stats().liveTensors).toBe(before);
  });

  it('renders and fits only what is asked, on some photos, and says what was left out', async () => {
    notices.length = 0;
    const r2 = { parameters: ['rotation'], borders: ['inside'] } as const;
    const { tasks, data, timings } = await evaluateAll({
      tasks: ['r2'],
      r2,
      maxPhotos: 20,
      baseline: undefined as never,
    });
    expect([data.numTrain, data.numTest]).toEqual([20, first.data.numTest]); // there are fewer than 20 test photos
    expect(data.train).toMatch(/; 20 of \d+, evenly over classes, by hash of the id$/);
    expect(tasks.r2?.detail.map(({ parameter, border }) => `${parameter} ${border}`)).toEqual(
      Array(2).fill('rotation inside'),
    );
    expect(tasks.r2?.protocol).toMatch(/^train photos: 20 of \d+, evenly over classes, by hash of the id; 2 thetas/);
    expect(tasks.r2?.protocol).toContain('not asked: color, blur, translation, zeros;');
    expect(tasks.r2?.protocol).not.toContain('with black');
    expect(notices.filter((text) => /translation|zeros|stale/.test(text))).toEqual([]);
    expect(timings['rendering']).toBeGreaterThan(0);
  });

  it('takes what was asked before, of all photos, from the cache', async () => {
    notices.length = 0;
    const again = await evaluateAll({ tasks: ['r2'], r2: { borders: ['zeros'] } });
    expect(again.tasks.r2?.zeros).toEqual(first.tasks.r2?.zeros);
    expect(again.tasks.r2?.intervals.zeros).toEqual(first.tasks.r2?.intervals.zeros);
    expect(again.baseline?.r2?.inside).toBeUndefined();
    expect(again.timings['rendering']).toBe(0);
  });

  it('notices other weights in the same file', async () => {
    notices.length = 0;
    exportBackbone(2);
    const other = await evaluateAll({ tasks: ['knn'], photos: shared });
    expect(notices.some((text) => text.endsWith('is stale (weights changed); computing again'))).toBe(true);
    expect(other.tasks.r2).toBeUndefined();
  });

  it('measures r2 and rank where photos have no classes, and says what is missing to a task that was named', async () => {
    const unlabelled = folderOf(
      Object.fromEntries(
        await Promise.all(
          Array.from({ length: 40 }, async (_, i) => [`${i}.png`, await picture(i, 32, 32).png().toBuffer()] as const),
        ),
      ),
    );
    notices.length = 0;
    const { tasks } = await evaluateAll({ train: [unlabelled], baseline: undefined as never });
    expect(notices[0]).toMatch(
      /^knn and linear are left out: the photos need at least two classes, got no classes in /,
    );
    expect(Object.keys(tasks)).toEqual(['r2', 'rank']);
    expect(tasks.r2?.inside?.mean).toBeTypeOf('number');
    await expect(evaluateAll({ train: [unlabelled], tasks: ['knn'] })).rejects.toThrow(
      /need at least two classes, got no classes .* or evaluate with --tasks r2,rank/,
    );
  });

  it('answers for every photo of both parts when k-NN is cross-validated', async () => {
    const before = memory.stats().liveTensors;
    const { top1, right, protocol } = await crossValidatedKnn({ run: weights, photos: shared, k: 3, numFolds: 5 });
    expect(right).toHaveLength(60);
    expect(top1).toBeGreaterThan(90);
    expect(protocol).toContain('each of 60 photos against the photos of the other 4 of 5 folds');
    expect(memory.stats().liveTensors).toBe(before);
  });

  it('keeps the report of an older checkpoint beside that of the newest', async () => {
    const runFolder = RunFolder.create(join(folder, 'run'), tiny);
    runFolder.writeManifest(manifestOf(tiny));
    const run = runFolder.path;
    for (const step of [3, 6]) {
      scope(() => {
        const model = createObjective(tiny, generator(step)).network.stateDict();
        const state = { optimizer: new Map(), rngState: new Uint8Array(), unlogged: { names: [], rows: [] } };
        writeCheckpoint(run, { step, model, ...state, engine: manifestOf(tiny).engine }, 2);
      });
    }
    const options = { run, tasks: ['rank'], photos: shared, baseline: undefined as never } as const;
    const older = await evaluateAll({ ...options, step: 3 });
    const newest = await evaluateAll(options);
    expect([older.source, newest.source]).toEqual([`${run}, step 3`, `${run}, step 6`]);
    const stored = (name: string): EvalReport =>
      JSON.parse(readFileSync(join(run, 'reports', name), 'utf8')) as EvalReport;
    expect(stored('eval-mean-step-3.json').tasks).toEqual(older.tasks);
    expect(stored('eval-mean.json').tasks).toEqual(newest.tasks);
    expect(newest.tasks).not.toEqual(older.tasks);
  });

  it('leaves in the report what it was asked before, of the same checkpoint and photos only', async () => {
    const run = join(folder, 'run');
    const path = join(run, 'reports', 'eval-mean.json');
    const stored = (): EvalReport => JSON.parse(readFileSync(path, 'utf8')) as EvalReport;
    const ask = (changes: Partial<EvaluateOptions>): Promise<EvalReport> =>
      evaluateAll({ run, photos: shared, ...changes });
    await ask({ tasks: ['rank'] });
    const { tasks, baseline } = await ask({ tasks: ['knn'], baseline: undefined as never });
    expect([Object.keys(tasks), baseline]).toEqual([['knn'], undefined]); // what was asked now
    expect([Object.keys(stored().tasks), Object.keys(stored().baseline ?? {})]).toEqual([['rank', 'knn'], ['rank']]);

    const fewer = new EvaluationData({ train: [photos], maxPhotos: 30, data: config.data });
    await ask({ tasks: ['knn'], photos: fewer, baseline: undefined as never });
    expect([Object.keys(stored().tasks), stored().baseline]).toEqual([['knn'], undefined]);

    notices.length = 0;
    writeFileSync(path, '{"version": 1, "tas');
    await ask({ tasks: ['rank'], baseline: undefined as never });
    expect(Object.keys(stored().tasks)).toEqual(['rank']);
    expect(notices.filter((text) => text.endsWith('this evaluation takes its place'))).toHaveLength(1);
  });

  it('refuses a parameter of no range that R2 is asked of, before the first photo', async () => {
    const transform = configSchema.parse({ transform: { color: { hue: 0 } } }).transform;
    const asked = (r2: NonNullable<EvaluateOptions['r2']>): Promise<EvalReport> =>
      evaluateAll({ photos: shared, r2, settings: { eval: config.eval, data: config.data, transform } });
    notices.length = 0;
    await expect(asked({ borders: ['zeros'] })).rejects.toThrow(
      /^transform.color.hue: R2 needs a range of more than one/,
    );
    expect(notices).toEqual([expect.stringContaining('is not read')]);
    const { tasks } = await asked({ parameters: ['rotation'], borders: ['zeros'] });
    expect(tasks.r2?.zeros?.rotation).toBeTypeOf('number');
  });

  it('asks for a task', async () => {
    await expect(evaluateAll({ tasks: [] })).rejects.toThrow(
      'eval: needs at least one task, got none; name some of r2, knn, linear, rank',
    );
    await expect(evaluateAll({ r2: { borders: [] } })).rejects.toThrow(
      'eval: r2 needs at least one parameter and one border, got none; leave them out to ask all',
    );
  });
});
