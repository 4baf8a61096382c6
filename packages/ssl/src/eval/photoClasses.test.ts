import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../config/schema.js';
import type { EvalTask } from '../protocol/report.js';
import { tasksFor } from './encoderTasks.js';
import { EvaluationData } from './evaluationData.js';
import { numbered, photos, twoClasses } from './namedPhotos.case.js';
import { labelsOf, requireClasses } from './photoClasses.js';

const { data } = configSchema.parse({});

const labelled = twoClasses();

describe('requireClasses', () => {
  it('says what to do with photos that have none', () => {
    const unlabelled = new EvaluationData({ train: [photos(numbered('a', 60))], data });
    expect(() => requireClasses(unlabelled)).toThrow(
      /^knn, linear: the photos need at least two classes, got no classes in .*; put the photos of each class into a sub-folder of its own, or evaluate with --tasks r2,rank$/,
    );
  });

  it('counts the classes that photos have, not those that a class file or numbers name', () => {
    const listed = (classOf: (i: number) => string): string => {
      const folder = photos(numbered('', 60));
      writeFileSync(
        join(folder, 'list.txt'),
        numbered('', 60)
          .map((name, i) => `${name}\t${classOf(i)}`)
          .join('\n'),
      );
      return join(folder, 'list.txt');
    };
    requireClasses(new EvaluationData({ train: [listed((i) => (i % 2 === 0 ? '0' : '500'))], data }));
    expect(() => requireClasses(new EvaluationData({ train: [listed(() => '5')], data }))).toThrow(
      /the photos need at least two classes, got the one class 5 in /,
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

  it('wants more photos where each training photo is a class of its own, or nearly', () => {
    const many = photos(Array.from({ length: 60 }, (_, i) => `class${i}/a.jpg`));
    expect(() => requireClasses(new EvaluationData({ train: [many], data }))).toThrow(
      /^knn, linear: at least one photo of each class is needed, got \d\d of 60 classes; add photos, or evaluate/,
    );
  });
});

describe('tasksFor', () => {
  /** The tasks of photos where none is named, and what is told. */
  function byDefault(data: EvaluationData): { tasks: readonly EvalTask[]; told: string[] } {
    const told: string[] = [];
    return { tasks: tasksFor(data, { named: undefined, knnK: 20 }, (text) => told.push(text)), told };
  }

  it('is all of them where classes do', () => {
    const both = new EvaluationData({ train: [labelled], data });
    expect(byDefault(both)).toEqual({ tasks: ['r2', 'knn', 'linear', 'rank'], told: [] });
  });

  it('leaves out k-NN where neighbours are more than the training photos', () => {
    const both = new EvaluationData({ train: [labelled], data });
    const told: string[] = [];
    const knnK = both.train.indices.length + 1;
    const why = `needs at least as many training photos as neighbours, got ${knnK - 1} photos and k = ${knnK}`;
    expect(tasksFor(both, { named: undefined, knnK }, (text) => told.push(text))).toEqual(['r2', 'linear', 'rank']);
    expect(told).toEqual([`knn is left out: ${why}`]);
    expect(() => tasksFor(both, { named: ['r2', 'knn'], knnK }, () => undefined)).toThrow(`knn: ${why}; add photos`);
  });

  it('leaves out what classes of the test photos do not allow, and says why', () => {
    const hats = photos([...numbered('hat/', 5), ...numbered('shoe/', 5)]);
    const both = new EvaluationData({ train: [labelled], test: [hats], data });
    const why = 'every test photo needs a class that the training photos have, got hat for hat/0.jpg';
    expect(byDefault(both)).toEqual({ tasks: ['r2', 'rank'], told: [`knn and linear are left out: ${why}`] });
    expect(() => tasksFor(both, { named: ['knn'], knnK: 20 }, () => undefined)).toThrow(
      `knn, linear: ${why}; put the photos`,
    );
    expect(tasksFor(both, { named: ['r2'], knnK: 20 }, () => undefined)).toEqual(['r2']);
  });
});
