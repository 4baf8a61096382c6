import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../config/schema.js';
import { folderOf } from '../data/photos.case.js';
import { EvaluationData, idsOf, labelsOf, photosKey, requireClasses } from './evaluationData.js';

const { data } = configSchema.parse({});

/** A folder of empty files named as photos; nothing here reads pixels. */
function photos(names: readonly string[]): string {
  return folderOf(Object.fromEntries(names.map((name) => [name, name])));
}

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}.jpg`);
const labelled = photos([...numbered('shirt/', 60), ...numbered('shoe/', 60)]);

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

  it('refuses photos that are in both parts', () => {
    const open = (): EvaluationData => new EvaluationData({ train: [labelled], test: [join(labelled, 'shoe')], data });
    expect(open).toThrow(
      /training and test photos must differ, got 60 that are in both, such as .*\.jpg; name other test photos/,
    );
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

  it('refuses parts that are too small', () => {
    expect(() => new EvaluationData({ train: [photos(numbered('a', 9))], data })).toThrow(
      /^eval: needs at least 20 train photos, got \d from .*; add photos or allow more with --photos$/,
    );
  });
});

describe('classes', () => {
  it('says what to do with photos that have none', () => {
    const unlabelled = new EvaluationData({ train: [photos(numbered('a', 60))], data });
    expect(() => requireClasses(unlabelled)).toThrow(
      /^knn, linear: the photos need at least two classes, got no classes in .*; put the photos of each class into a sub-folder of its own, or evaluate with --tasks r2,rank$/,
    );
  });

  it('wants more photos where there are more classes', () => {
    const classes = numbered('class', 25).map((name) => `${name}/`);
    const many = photos(classes.flatMap((name) => numbered(name, 4)));
    const other = photos(classes.flatMap((name) => numbered(name, 1)));
    const open = (maxPhotos: number): EvaluationData =>
      new EvaluationData({ train: [many], test: [other], maxPhotos, data });
    requireClasses(open(25));
    expect(() => requireClasses(open(24))).toThrow(
      'knn, linear: at least one photo of each class is needed, got 24 of 25 classes; allow more with --photos, or',
    );
  });

  it('goes by the name of the class, not by its number in the other source', () => {
    // Only shoes in the test part: there they are class 0, in training class 1.
    const shoes = photos([...numbered('shoe/', 5), ...numbered('shirt/', 1)]);
    const both = new EvaluationData({ train: [labelled], test: [shoes], data });
    requireClasses(both);
    const names = both.train.source.classNames;
    const labels = labelsOf(both.test, both.test.indices, names);
    const shoe = names.indexOf('shoe');
    expect(labels.filter((label) => label === shoe)).toHaveLength(5);
  });

  it('refuses a test class that was never seen', () => {
    const hats = photos([...numbered('hat/', 5), ...numbered('shoe/', 5)]);
    const both = new EvaluationData({ train: [labelled], test: [hats], data });
    expect(() => requireClasses(both)).toThrow(
      /every test photo needs a class that the training photos have, got hat for hat\/0\.jpg/,
    );
  });
});
