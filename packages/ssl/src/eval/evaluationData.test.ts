import { mkdtempSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../config/schema.js';
import { EvaluationData, type EvaluationPart, idsOf, modifiedKey, photosKey, requirePhotos } from './evaluationData.js';
import { numbered, photos, twoClasses } from './namedPhotos.case.js';
import { labelsOf } from './photoClasses.js';

const { data } = configSchema.parse({});

const labelled = twoClasses();

describe('EvaluationData', () => {
  it('holds out about 20 % by hash of the id when no test photos are named, and says so', () => {
    const { train, test } = new EvaluationData({ train: [labelled], data });
    expect(train.indices.length + test.indices.length).toBe(120);
    expect(test.indices.length).toBeGreaterThan(12);
    expect(test.indices.length).toBeLessThan(40);
    const ids = new Set(idsOf(train, train.indices));
    for (const id of idsOf(test, test.indices)) expect(ids.has(id)).toBe(false);
    expect(test.description).toBe(`${labelled}: 20 % of the photos by hash of the id (no test photos were named)`);
    expect(photosKey(train)).not.toBe(photosKey(test));
  });

  it('refuses photos that are in both parts, whichever way their paths are written', () => {
    const open = (test: string) => (): EvaluationData => new EvaluationData({ train: [labelled], test: [test], data });
    expect(open(join(labelled, 'shoe'))).toThrow(
      /training and test photos must differ, got 60 that are in both, such as .*\.jpg; name other test photos/,
    );
    expect(open(relative(process.cwd(), labelled))).toThrow('got 120 that are in both');
    const link = join(mkdtempSync(join(tmpdir(), 'halfway-link-')), 'photos');
    symlinkSync(labelled, link);
    expect(open(link)).toThrow('got 120 that are in both');
    rmSync(dirname(link), { recursive: true });
  });

  it('asks about some photos of each part, evenly over classes, and says which', () => {
    const all = new EvaluationData({ train: [labelled], data });
    expect(all.selection).toEqual([]);
    const some = new EvaluationData({ train: [labelled], maxPhotos: 20, data });
    const { train, test } = some;
    expect(some.selection).toEqual([
      `train photos: 20 of ${all.train.indices.length}, evenly over classes, by hash of the id`,
      `test photos: 20 of ${all.test.indices.length}, evenly over classes, by hash of the id`,
    ]);
    expect(train.description).toBe(`${all.train.description}; ${train.selection ?? ''}`);
    for (const part of [train, test]) {
      expect(labelsOf(part, part.indices, train.source.classNames).filter((label) => label === 0)).toHaveLength(10);
    }
    for (const index of train.indices) expect(all.train.indices).toContain(index);
    expect(photosKey(train)).not.toBe(photosKey(all.train));
    const enough = new EvaluationData({ train: [labelled], maxPhotos: 200, data });
    expect([enough.selection, photosKey(enough.train)]).toEqual([[], photosKey(all.train)]);
  });

  it('knows photos whose files have changed, though neither name nor size has', () => {
    const folder = photos(numbered('a', 60));
    const part = (): EvaluationPart => new EvaluationData({ train: [folder], data }).train;
    const before = [photosKey(part()), modifiedKey(part())];
    expect([photosKey(part()), modifiedKey(part())]).toEqual(before);
    const { samples } = part().source;
    utimesSync(samples[part().indices[0] ?? 0]?.path ?? '', 1, 2);
    expect(photosKey(part())).toBe(before[0]);
    expect(modifiedKey(part())).not.toBe(before[1]);
  });

  it('refuses parts that are too small', () => {
    const few = new EvaluationData({ train: [photos(numbered('a', 9))], data });
    expect(() => requirePhotos(few)).toThrow(/^eval: needs at least 20 train photos, got \d from .*; add photos$/);
    const limited = new EvaluationData({ train: [labelled], maxPhotos: 19, data });
    expect(() => requirePhotos(limited)).toThrow(/^eval: .* got 19 from .*; allow more with --photos$/);
    requirePhotos(new EvaluationData({ train: [labelled], maxPhotos: 20, data }));
  });
});
