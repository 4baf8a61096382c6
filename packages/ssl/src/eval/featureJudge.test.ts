/** What features are worth: k-NN of photos with classes, effective rank of photos without, and how two encoders compare. */
import { scope } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { folderOf, photoSource, picture } from '../data/photos.case.js';
import { DataError } from '../errors.js';
import type { FeatureFigure, NoFigure } from '../protocol/init.js';
import { disposeNetwork, type FrozenNetwork, frozenCopy } from '../run/loadEncoder.js';
import { tinyConfig } from '../run/scratch.case.js';
import { createTrainState } from '../train/state.js';
import { featureJudge } from './featureJudge.js';

/** The encoder of a run that has not begun. */
function network(seed: number, ...settings: string[]): FrozenNetwork {
  const config = tinyConfig(`train.seed=${seed}`, 'eval.knnK=3', ...settings);
  return scope(() => frozenCopy(config, createTrainState(config, 'float32').model.stateDict()));
}

async function measured(seed: number, data: readonly string[], ...settings: string[]): Promise<FeatureFigure> {
  const figure = await asked(seed, data, ...settings);
  if (figure.kind === 'none') throw new Error(figure.reason);
  return figure;
}

async function asked(seed: number, data: readonly string[], ...settings: string[]): Promise<FeatureFigure | NoFigure> {
  const frozen = network(seed, ...settings);
  const figure = await featureJudge.measure(frozen, data);
  disposeNetwork(frozen);
  return figure;
}

/** Forty pictures of two classes that any features tell apart. */
async function labelled(): Promise<string> {
  const files: Record<string, Buffer> = {};
  for (let i = 0; i < 40; i++) {
    const buffer = await picture(i % 2, 24 + (i % 5), 30)
      .png()
      .toBuffer();
    files[`${i % 2 === 0 ? 'even' : 'odd'}/${i}.png`] = buffer;
  }
  return folderOf(files);
}

describe('featureJudge', () => {
  it('asks k-NN where every photo has a class: one outcome a photo', async () => {
    const figure = await measured(0, [await labelled()]);
    expect(figure).toMatchObject({ kind: 'knn', value: 100, numPhotos: 40 });
    expect(figure.outcomes).toEqual(Array.from({ length: 40 }, () => 1));
    expect(figure.protocol).toContain('k = 3');
    const guessed = { ...figure, value: 75, outcomes: figure.outcomes.map((_, photo) => (photo % 4 === 0 ? 0 : 1)) };
    const { difference, interval } = featureJudge.compare(guessed, figure);
    expect(difference).toBe(25);
    // Paired: the standard error of 10 changed outcomes of 40 is 6.8.
    expect([interval.low, interval.high]).toEqual([
      expect.closeTo(25 - 1.96 * 6.8, -1),
      expect.closeTo(25 + 1.96 * 6.8, -1),
    ]);
    expect(featureJudge.compare(figure, figure)).toEqual({ difference: 0, interval: { low: 0, high: 0 } });
  });

  it('asks for the effective rank where photos have no classes, with an interval of the difference', async () => {
    const photos = (await photoSource(40)).paths;
    const [before, other] = [await measured(0, photos), await measured(1, photos)];
    expect(before.kind).toBe('effectiveRank');
    expect(before.value).toBeGreaterThan(1);
    expect(before.value).toBeLessThan(8); // of 8 features
    expect(featureJudge.compare(before, before)).toEqual({ difference: 0, interval: { low: 0, high: 0 } });
    const { difference, interval } = featureJudge.compare(before, other);
    expect(difference).toBe(other.value - before.value);
    expect(interval.low).toBeLessThan(difference);
    expect(interval.high - difference).toBeCloseTo(difference - interval.low, 9);
  });

  it('looks at the class token where the evaluation of the run does, and never at an adapter, which is new', async () => {
    const photos = (await photoSource(40)).paths;
    const mean = await measured(0, photos);
    expect((await measured(0, photos, 'eval.features=invariant')).value).toBe(mean.value);
    expect((await measured(0, photos, 'eval.features=cls')).value).not.toBe(mean.value);
  });

  it('has no figure of photos that are too few, and says what it would take', async () => {
    expect(await asked(0, (await photoSource(19)).paths)).toEqual({
      ...{ kind: 'none', reason: 'the effective rank needs at least 20 photos, got 19' },
    });
    expect(await asked(0, (await photoSource(20)).paths)).toMatchObject({ kind: 'effectiveRank', numPhotos: 20 });
    const classes = [await labelled()];
    expect(await asked(0, classes, 'eval.knnK=21')).toEqual({
      ...{ kind: 'none', reason: 'k-NN with eval.knnK 21 needs at least 42 photos, got 40' },
    });
    expect(await asked(0, classes, 'eval.knnK=20')).toMatchObject({ kind: 'knn', numPhotos: 40 });
  });

  it('refuses figures of different photos', async () => {
    const figure = await measured(0, (await photoSource(40)).paths);
    const compare = (): unknown => featureJudge.compare(figure, { ...figure, numPhotos: 39 });
    expect(compare).toThrow(DataError);
    expect(compare).toThrow('got 40 (effectiveRank) at its start and 39 (effectiveRank) at its end');
  });
});
