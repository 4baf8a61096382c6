/** Whole runs on a handful of photos: what is in the folder afterwards, how a run goes on, and how it fails. */
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadSafetensors } from '@halfway/torch/io';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Config } from '../config/schema.js';
import { photoSource } from '../data/photos.case.js';
import type { RunEvent } from '../protocol/events.js';
import type { RunManifest } from '../protocol/run.js';
import { checkpointSteps } from '../run/checkpoint.js';
import { RunFolder } from '../run/runFolder.js';
import { scratchFolder, tinyConfig } from '../run/scratch.case.js';
import { learnedIn, outcomeOf, rowsOf, stopAfterStep5, stopAt } from './pretrain.case.js';
import { pretrain } from './pretrain.js';
import type { PretrainProgress } from './pretrainOptions.js';

const scratch = scratchFolder();
const photos = await photoSource(6);

function newOut(): string {
  return join(mkdtempSync(join(scratch, 'case-')), 'run');
}

/** Options of a run of the tiny recipe on the test's photos. */
function optionsOf(config: Config, out = newOut()): Parameters<typeof pretrain>[0] {
  return { config, recipe: 'tiny', data: photos.paths, out };
}

function manifestIn(out: string): RunManifest {
  return JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as RunManifest;
}

describe('pretrain', () => {
  it('checks a configuration that was made in code as one that was read', async () => {
    const config = tinyConfig();
    const options = optionsOf({ ...config, train: { ...config.train, steps: 2.5 } });
    await expect(pretrain(options)).rejects.toThrow(/^pretrain: train\.steps: must be a whole number, got 2\.5/);
    expect(existsSync(options.out)).toBe(false);
  });

  it('leaves a whole run folder: configuration, metrics, events, pictures, checkpoints, export', async () => {
    const config = tinyConfig('train.imagesEvery=4', 'train.keepCheckpoints=1');
    const heard: PretrainProgress[] = [];
    const options = optionsOf(config);
    const { out } = options;
    const summary = await pretrain({ ...options, onProgress: (progress) => heard.push(progress) });

    expect(readdirSync(out).sort()).toEqual([
      ...[
        'checkpoints',
        'config.yaml',
        'events.jsonl',
        'export',
        'images',
        'metrics.jsonl',
        'reports',
        'run.json',
        'train.log',
      ],
    ]);
    const rows = rowsOf(out);
    expect(rows.map(({ step }) => step)).toEqual([2, 4, 6]);
    const terms = ['invariance', 'variance', 'covariance', 'recon'];
    const figures = [
      'loss',
      'varianceOverUninformed',
      'reconInside',
      'reconOverUninformed',
      'reconOutside',
      'gradNorm',
      'lr',
      'featureStd',
      'effectiveRank',
    ];
    const pace = ['step', 'imagesPerSecond', 'dataWaitMs', 'stepMs'];
    for (const row of rows) {
      expect(Object.keys(row).sort()).toEqual([...terms, ...figures, ...pace].sort());
      expect(Object.values(row).every(Number.isFinite)).toBe(true);
    }
    expect(checkpointSteps(out)).toEqual([6]);
    expect(readdirSync(join(out, 'images'))).toEqual(['step-000004.png', 'step-000006.png']);
    expect((await sharp(join(out, 'images', 'step-000006.png')).metadata()).height).toBe(22 + 4 * 100);

    const { tensors } = loadSafetensors(join(out, 'export', 'backbone.safetensors'));
    expect([...tensors.keys()].filter((name) => !/^(encoder|adapter)\./.test(name))).toEqual([]);
    expect(tensors.get('adapter.proj.weight')?.shape).toEqual([8, 8]);
    for (const tensor of tensors.values()) tensor.dispose();

    expect(manifestIn(out)).toMatchObject({ status: 'finished', step: 6, totalSteps: 6, recipe: 'tiny', seed: 0 });
    expect(summary).toMatchObject({ run: out, steps: 6, parameters: manifestIn(out).parameters });
    expect(Object.keys(summary.final)).toEqual(expect.arrayContaining(['loss', ...terms]));
    expect(summary.final['loss']).toBe(rows.at(-1)?.loss);

    const header = heard.find(({ kind }) => kind === 'header');
    expect(header).toMatchObject({
      text: expect.stringMatching(/data {6}6 photos of .*views v1 8 px, v2 8 px; batch 4/) as string,
    });
    const events = heard.flatMap((progress) => (progress.kind === 'event' ? [progress.event.kind] : []));
    expect(events.filter((kind) => kind !== 'alarm')).toEqual([
      'start',
      'checkpoint',
      'image',
      'estimate',
      'image',
      'checkpoint',
      'finish',
    ]);
  });

  it.each([1, 2])(
    'stopped and resumed ends as if it had never stopped, to the bit: %i batches a step',
    async (accumulate) => {
      const settings = ['train.steps=12', 'train.logEvery=4', 'model.dropPathRate=0.3', 'model.depth=2'];
      const config = tinyConfig(...settings, `optim.accumulate=${accumulate}`);
      const [whole, parts] = [optionsOf(config), optionsOf(config)];
      await pretrain(whole);
      await stopAfterStep5(parts); // no row and no checkpoint is due there
      expect(manifestIn(parts.out)).toMatchObject({ status: 'interrupted', step: 5 });
      expect(rowsOf(parts.out).map(({ step }) => step)).toEqual([4]);
      const events = join(parts.out, 'events.jsonl');
      appendFileSync(events, '{"step":5,"ki'); // as a crash leaves it
      await pretrain({ ...parts, resume: true });
      expect(outcomeOf(parts.out)).toEqual(outcomeOf(whole.out));
      const kinds = readFileSync(events, 'utf8')
        .match(/.+/g)
        ?.map((line) => (JSON.parse(line) as RunEvent).kind);
      expect(kinds).toEqual(expect.arrayContaining(['resume', 'finish']));

      const again = await pretrain({ ...whole, resume: true }); // finished: nothing to do
      expect(again.steps).toBe(12);
      expect(learnedIn(whole.out)).toHaveLength(3);
    },
  );

  it('goes on only with the same settings and photos', async () => {
    const options = optionsOf(tinyConfig());
    await stopAt(2, options);
    const resumed = (change: object): Promise<unknown> => pretrain({ ...options, resume: true, ...change });
    await expect(resumed({ config: tinyConfig('train.steps=7', 'optim.lr=0.1') })).rejects.toThrow(
      '--resume: the configuration must be that of the run, got optim.lr: 0.1 where the run has 0.0005; train.steps: 7 where the run has 6; ' +
        "give the run's own settings (--resume without --recipe takes them all), or start a new run",
    );
    const others = await photoSource(5);
    await expect(resumed({ data: others.paths })).rejects.toThrow(
      /the photos must be those of the run \(6 of .*\), got 5 of/,
    );
    await expect(pretrain(options)).rejects.toThrow('must be a new or empty folder');
    const path = join(options.out, 'config.yaml');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace('lr: 0.0005', 'lr: 0.1'));
    await expect(resumed({ config: RunFolder.open(options.out).config() })).rejects.toThrow(
      `--resume: ${path} must be as the run wrote it, got one that was edited since; put it back, or start a new run with --recipe ${path}`,
    );
    rmSync(path);
    await expect(resumed({})).rejects.toThrow(`${path}: must be readable YAML, got ENOENT`);
    writeFileSync(path, text);
    const { configSha256, ...older } = manifestIn(options.out); // of a run that began before it was noted
    RunFolder.open(options.out).writeManifest(older);
    await resumed({});
    expect(manifestIn(options.out).configSha256).toBe(configSha256);
    await expect(pretrain({ ...options, resume: true, out: newOut() })).rejects.toThrow('must be the folder of a run');
  });

  it('goes on with another engine only when told to', async () => {
    const options = optionsOf(tinyConfig());
    await stopAt(2, options);
    const [step = 0] = checkpointSteps(options.out).slice(-1);
    const path = join(options.out, 'checkpoints', `step-${step}`, 'state.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"libtorch": ".*"/, '"libtorch": "1.0.0"'));
    await expect(pretrain({ ...options, resume: true })).rejects.toThrow(
      /the engine must be the one that began the run, for the same bits, got libtorch .* where the run has 1\.0\.0/,
    );
    await pretrain({ ...options, resume: true, allowOtherEngine: true });
    expect(readFileSync(join(options.out, 'events.jsonl'), 'utf8')).toContain('goes on with other bits: libtorch');
  });

  it('stops at a step that is not finite, saying which, and keeps the last good checkpoint', async () => {
    const options = optionsOf(
      tinyConfig('optim.lr=1e37', 'optim.warmupFraction=0', 'train.steps=40', 'train.checkpointEvery=1000'),
    );
    await expect(pretrain(options)).rejects.toThrow(
      /every step must be finite, got .* not finite at step \d+; .*Lower optim\.lr.* look at its photos: \S+\/0\d\.jpg, /,
    );
    expect(manifestIn(options.out)).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('not finite') as string,
    });
    expect(checkpointSteps(options.out)).toEqual([0]);
    expect(existsSync(join(options.out, 'lock.json'))).toBe(false);
  });

  it('leaves no folder behind when it cannot begin', async () => {
    const missing = { ...optionsOf(tinyConfig()), data: ['/nowhere/photos'] };
    await expect(pretrain(missing)).rejects.toThrow('the path must exist');
    expect(existsSync(missing.out)).toBe(false);
    const broken = await photoSource(1, { '00.jpg': 'no photo' });
    const unreadable = { ...optionsOf(tinyConfig()), data: broken.paths };
    await expect(pretrain(unreadable)).rejects.toThrow(/unreadable/);
    expect(existsSync(unreadable.out)).toBe(false);
  });

  it('reports each photo that it could not read, and replaces it; of other files how many there are', async () => {
    const source = await photoSource(6, { '03.jpg': 'no photo', 'phone.HEIC': 'x' });
    const options = { ...optionsOf(tinyConfig('data.maxBadFraction=0.5')), data: source.paths };
    await pretrain(options);
    expect(readFileSync(join(options.out, 'train.log'), 'utf8')).toContain('\n1 file like *.heic is not read\n');
    const events = readFileSync(join(options.out, 'events.jsonl'), 'utf8').match(/.*"badPhoto".*/g);
    expect(events).toHaveLength(1);
    expect(events?.[0]).toContain('03.jpg');
  });

  it('trains the plain base of a recipe, whose rows have no reconstruction', async () => {
    const options = optionsOf(tinyConfig('train.steps=1', 'recon.target=none'));
    await pretrain(options);
    expect(Object.keys(rowsOf(options.out)[0] ?? {}).filter((key) => key.startsWith('recon'))).toEqual([]);
  });
});
