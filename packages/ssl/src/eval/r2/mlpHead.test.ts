import { generator, memory } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { mlpHead, type MlpOptions } from './mlpHead.js';
import { standardizeByFirst, type PairSet } from './pairSet.js';
import { partsOf, silentPairs, tellingPairs, type SyntheticOptions } from './pairs.case.js';
import { r2Score } from './score.js';

interface Outcome {
  readonly score: number;
  readonly prediction: readonly number[];
  readonly chosen: string;
}

async function outcomeOf(
  make: (options: SyntheticOptions) => PairSet,
  options: Partial<MlpOptions> = {},
  sizes: readonly [number, number, number] = [200, 30, 60],
): Promise<Outcome> {
  const parts = partsOf(make, {}, sizes);
  const [fit, validation, test] = standardizeByFirst([parts.fit, parts.validation, parts.test]);
  if (fit === undefined || validation === undefined || test === undefined) throw new Error('three parts');
  const { prediction, chosen } = await mlpHead(fit, validation, test, { widthDim: 32, maxEpochs: 60, ...options });
  const target = test.target.toTypedArray() as Float32Array;
  return { score: r2Score(target, prediction, 2).perDimensionMean, prediction: [...prediction], chosen };
}

describe('mlpHead', () => {
  it('reads theta where it is among the features', async () => {
    expect((await outcomeOf(tellingPairs)).score).toBeGreaterThan(0.97);
  });

  it('reads what no linear head can: the square of a feature', async () => {
    const squared = (options: SyntheticOptions): PairSet => {
      const set = tellingPairs({ ...options, params: 2 }, 0);
      return { ...set, target: set.target.square().mul(2).sub(1) };
    };
    expect((await outcomeOf(squared, { maxEpochs: 40 }, [1200, 100, 60])).score).toBeGreaterThan(0.8);
  });

  it('reads nothing from noise, and stops early', async () => {
    const { score, chosen } = await outcomeOf(silentPairs);
    expect(score).toBeLessThan(0.05);
    expect(score).toBeGreaterThan(-0.2);
    expect(Number(/epoch (\d+) of/.exec(chosen)?.[1])).toBeLessThan(30);
  });

  it('gives the same bits twice, and tells each epoch', async () => {
    const epochs: number[] = [];
    const options = { maxEpochs: 2, onEpoch: (epoch: number): void => void epochs.push(epoch) };
    const once = await outcomeOf(tellingPairs, options);
    expect(await outcomeOf(tellingPairs, options)).toEqual(once);
    expect(epochs).toEqual([1, 2, 1, 2]);
  });

  it('trains the members of the grid as if each were alone', async () => {
    const alone = await outcomeOf(tellingPairs, { maxEpochs: 3, weightDecays: [1] });
    const among = await outcomeOf(tellingPairs, { maxEpochs: 3, weightDecays: [1e5, 1] });
    expect(among.chosen).toBe(alone.chosen); // the other one is decayed to nothing
    among.prediction.forEach((value, i) => expect(value).toBeCloseTo(alone.prediction[i] ?? Number.NaN, 4));
  });

  it('leaves no tensor behind, also when it is stopped in the middle', async () => {
    const parts = partsOf(tellingPairs, { rng: generator(2) }, [40, 10, 10]);
    const before = memory.stats().liveTensors;
    await mlpHead(parts.fit, parts.validation, parts.test, { widthDim: 8, maxEpochs: 2 });
    const stopped = mlpHead(parts.fit, parts.validation, parts.test, {
      widthDim: 8,
      maxEpochs: 2,
      onEpoch: () => {
        throw new Error('stopped');
      },
    });
    await expect(stopped).rejects.toThrow('stopped');
    expect(memory.stats().liveTensors).toBe(before);
  });
});
