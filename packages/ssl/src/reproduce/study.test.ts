/** A whole study in small: two arms, two seeds, trained, evaluated and compared; a second call repeats nothing. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configText } from '../config/recipe.js';
import { folderOf, picture } from '../data/photos.case.js';
import { ConfigError } from '../errors.js';
import { scratchFolder, tinyConfig } from '../run/scratch.case.js';
import { study, type StudyOptions } from './study.js';

const scratch = scratchFolder();
const recipe = join(scratch, 'tiny.yaml');
writeFileSync(recipe, configText(tinyConfig('eval.knnK=3')));

/** Photos numbered from `first` in the folders that `folderAt` gives. */
async function photosIn(folderAt: (i: number) => string, first: number, count: number): Promise<string> {
  const files: Record<string, Buffer> = {};
  for (let i = first; i < first + count; i++) {
    const image = picture(i, 24, 24).linear(0.4, i % 2 === 0 ? 0 : 150);
    files[`${folderAt(i)}${i}.png`] = await image.png().toBuffer();
  }
  return folderOf(files);
}

const darkOrBright = (i: number): string => (i % 2 === 0 ? 'dark/' : 'bright/');
const [train, test] = [await photosIn(darkOrBright, 0, 24), await photosIn(darkOrBright, 24, 6)];
writeFileSync(join(train, 'photo.heic'), 'not read');
const withoutClasses = await photosIn(() => '', 0, 24);
const notices: string[] = [];
const options: StudyOptions = {
  recipe,
  arms: [
    { name: 'base', folder: 'base', settings: ['recon.target=none'] },
    { name: 'task', folder: 'task', settings: [] },
  ],
  ...{ seeds: [1, 2], steps: 3, tasks: ['knn'], train: [train], test: [test], knnOver: [train, test] },
  out: join(scratch, 'study'),
  onText: (text, isLive) => {
    if (!isLive) notices.push(text);
  },
};

// Four processes one after the other in pairs, which takes long where the cores are busy.
describe('study', { timeout: 480_000 }, () => {
  it('trains every arm with every seed, and compares them with each other and with an untrained encoder', async () => {
    // One arm alone had all cores; it is not trained again when others join it.
    const { runs: alone } = (await study({ ...options, arms: options.arms.slice(0, 1), seeds: [1] })).comparison;
    const result = await study(options);
    expect(result.comparison.runs).toEqual(expect.arrayContaining([...alone]));
    expect(result.comparison.arms).toEqual([
      { arm: 'untrained', seeds: [0] },
      { arm: 'base', seeds: [1, 2] },
      { arm: 'task', seeds: [1, 2] },
    ]);
    expect(result.comparison.rows.map(({ figure }) => figure)).toEqual([
      ...['knn.top1', 'knnAll.top1', 'seconds', 'imagesPerSecond'],
    ]);
    const all = result.comparison.runs.map(({ knnAll }) => knnAll?.protocol ?? '');
    expect(all.every((protocol) => protocol.includes('each of 30 photos against'))).toBe(true);
    expect(result.table).toContain('task minus base');
    expect([result.numTrain, result.numTest]).toEqual([24, 6]);
    expect(JSON.parse(readFileSync(result.comparisonPath, 'utf8'))).toEqual(result.comparison);
    expect(notices).toContain(`evaluating task, seed 2: ${train}: 1 file like *.heic is not read`);
    expect(notices.some((text) => text.endsWith(': knn'))).toBe(false); // progress, which the next one replaces
    expect(statSync(join(options.out, 'seed-2', 'task', 'metrics.jsonl')).size).toBeGreaterThan(0);

    const curves = readFileSync(result.curvesPath, 'utf8');
    expect(curves).toContain('>recon</text>');
    expect(curves.match(/stroke-width="2"/g)?.length).toBeGreaterThan(4); // means over the two seeds

    const again = await study(options);
    expect(again.comparison.runs).toEqual(result.comparison.runs);

    const { knnOver: _, ...others } = options;
    const r2 = { parameters: ['blur'], borders: ['zeros'] } as const;
    const { comparison, numTrain } = await study({ ...others, tasks: ['r2'], r2, maxPhotos: 20 });
    expect(comparison.rows.map(({ figure }) => figure)).toEqual(['r2.zeros.blur', 'seconds', 'imagesPerSecond']);
    expect([numTrain, comparison.photos.train]).toEqual([
      20,
      `${train}; 20 of 24, evenly over classes, by hash of the id`,
    ]);
  });

  it('says what is wrong before anything is trained', async () => {
    const out = join(scratch, 'none');
    const arm = (name: string, folder: string): typeof options.arms => [
      ...options.arms,
      { name, folder, settings: [] },
    ];
    await expect(study({ ...options, out, arms: arm('untrained', 'plain') })).rejects.toThrow(
      new ConfigError(
        'study: an arm must not be named untrained, the name of the encoder that has learned nothing; choose another name',
      ),
    );
    await expect(study({ ...options, out, arms: arm('again', 'task') })).rejects.toThrow(
      'study: needs at least one folder of an arm, all different, got base, task, task',
    );
    for (const folder of ['', '.', '..', '../task', 'a/b']) {
      await expect(study({ ...options, out, arms: arm('else', folder) })).rejects.toThrow(
        `study: the folder of an arm must be the name of one folder within OUT/seed-S, got "${folder}" for else;`,
      );
    }
    const own = (setting: string): typeof options.arms => [{ name: 'own', folder: 'own', settings: [setting] }];
    await expect(study({ ...options, out, arms: own('train.seed=5') })).rejects.toThrow(
      'study: train.seed must be that of --seeds for every arm, got one of its own in own; leave it out',
    );
    await expect(study({ ...options, out, steps: 4, arms: own('train.steps=3') })).rejects.toThrow('that of --steps');
    await expect(study({ ...options, out, seeds: [] })).rejects.toThrow(
      new ConfigError('study: needs at least one seed, all different, got none'),
    );
    await expect(study({ ...options, out, test: [join(scratch, 'missing')] })).rejects.toThrow('missing');
    await expect(study({ ...options, out, train: [withoutClasses] })).rejects.toThrow(
      'knn, linear: the photos need at least two classes, got no classes',
    );
    await expect(study({ ...options, out, tasks: ['r2'], knnOver: [withoutClasses] })).rejects.toThrow('no classes');
    await expect(study({ ...options, out, r2: { parameters: [] } })).rejects.toThrow('r2 needs at least one parameter');
    await expect(study({ ...options, steps: 4 })).rejects.toThrow('got 4 steps with seed 1');
    expect(() => statSync(out)).toThrow();
  });
});
