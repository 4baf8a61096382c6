import { generator, memory, randn, scope, tensor, type Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { expectClose, Fixture } from '../../models/fixture.case.js';
import type { LabelledFeatures } from '../knn/knn.js';
import { linearProbe } from './linear.js';
import { fitLogistic, predictLogistic } from './logisticRegression.js';

const fixture = new Fixture('eval');

describe('fitLogistic', () => {
  const features = fixture.get('logistic.features');
  const labels = fixture.get('logistic.labels').to('int64');

  it.each([0.1, 0.001])("equals torch's L-BFGS at strength %f", (strength) => {
    scope(() => {
      const { weight, bias, hasConverged } = fitLogistic(features, labels, 3, strength);
      expect(hasConverged).toBe(true);
      // The gradient is below 1e-6: with curvature of order `strength` the weights are that close.
      expectClose(weight, fixture.get(`logistic.weight.${strength}`), 'weight', 1e-5);
      expectClose(bias.sub(bias.mean()), fixture.get(`logistic.bias.${strength}`), 'bias', 1e-5);
    });
  });

  it('ends at the same place from another start', () => {
    scope(() => {
      const strong = fitLogistic(features, labels, 3, 10);
      const { weight } = fitLogistic(features, labels, 3, 0.1, strong);
      expectClose(weight, fixture.get('logistic.weight.0.1'), 'weight', 1e-5);
    });
  });

  it('predicts the class with the largest logit', () => {
    scope(() => {
      const model = fitLogistic(features, labels, 3, 0.001);
      const right = predictLogistic(features, model).filter((label, i) => label === labels.select(0, i).item());
      expect(right.length / 60).toBeGreaterThan(0.7);
    });
  });
});

/** Photos of three classes around centres `distance` apart. */
function photos(count: number, distance: number, seed: number): LabelledFeatures {
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  const noise: Tensor = randn([count, 4], { generator: generator(seed) });
  const centres = tensor(Float32Array.from(labels, (label) => label * distance)).unsqueeze(1);
  return { features: noise.add(centres), labels };
}

describe('linearProbe', () => {
  it('separates what can be separated, and guesses where nothing is known', () => {
    const easy = linearProbe(photos(90, 20, 1), photos(15, 20, 2), photos(30, 20, 3));
    expect(easy.top1).toBe(100);
    const blind = linearProbe(photos(300, 0, 1), photos(60, 0, 2), photos(300, 0, 3));
    expect(blind.top1).toBeGreaterThan(20);
    expect(blind.top1).toBeLessThan(47);
  });

  it('chooses the strength on validation alone: test labels change nothing but the number', () => {
    const [fit, validation, test] = [photos(90, 1, 1), photos(30, 1, 2), photos(40, 1, 3)];
    const shuffled = { ...test, labels: test.labels.toReversed() };
    const strengthOf = (protocol: string): string => /L2 (\S+) chosen/.exec(protocol)?.[1] ?? '';
    const honest = linearProbe(fit, validation, test);
    expect(strengthOf(linearProbe(fit, validation, shuffled).protocol)).toBe(strengthOf(honest.protocol));
    expect(honest.protocol).toContain('on 30 validation photos, fitted on 90, 40 test photos seen once');
  });

  it('gives the same answers twice and leaves no tensor behind', () => {
    const [fit, validation, test] = [photos(60, 2, 1), photos(15, 2, 2), photos(30, 2, 3)];
    const before = memory.stats().liveTensors;
    const once = linearProbe(fit, validation, test);
    expect(linearProbe(fit, validation, test)).toEqual(once);
    expect(memory.stats().liveTensors).toBe(before);
  });
});
