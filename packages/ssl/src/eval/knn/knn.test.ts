import { generator, memory, randn, tensor, type Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { Fixture } from '../../models/fixture.case.js';
import { knn, knnCrossValidated } from './knn.js';

const fixture = new Fixture('eval');
const numbers = (name: string): Int32Array => fixture.get(`knn.${name}`).toTypedArray() as Int32Array;

describe('knn', () => {
  const train = { features: fixture.get('knn.keys'), labels: numbers('keyLabels') };
  const queries = fixture.get('knn.queries');

  it('gives the classes of a plain loop in numpy', () => {
    const predicted = numbers('predicted');
    const result = knn(train, { features: queries, labels: predicted }, 7);
    expect(result.top1).toBe(100);
    expect([...result.right]).toEqual(Array<number>(25).fill(1));
  });

  it('does not care for the length of features', () => {
    const scaled = { features: queries.mul(100), labels: numbers('predicted') };
    expect(knn({ ...train, features: train.features.mul(0.01) }, scaled, 7).top1).toBe(100);
  });

  it('weighs near neighbours more: one at similarity 1 outvotes two at 0.9', () => {
    const far = [0.9, Math.sqrt(1 - 0.81)] as const;
    const keys = tensor([[1, 0], [...far], [far[0], -far[1]]]);
    const result = knn(
      { features: keys, labels: Int32Array.of(1, 0, 0) },
      { features: tensor([[1, 0]]), labels: Int32Array.of(1) },
      3,
    );
    expect(result.top1).toBe(100); // exp(1 / 0.07) > 2 exp(0.9 / 0.07)
  });

  it('prints its protocol and an interval around the number', () => {
    const labels = numbers('predicted').map((label, i) => (i < 5 ? (label + 1) % 4 : label));
    const { top1, k, interval, protocol } = knn(train, { features: queries, labels }, 7);
    expect(top1).toBe(80);
    expect(k).toBe(7);
    expect(interval.low).toBeLessThan(80);
    expect(interval.high).toBeGreaterThan(80);
    expect(protocol).toContain('k = 7, cosine similarity, votes exp(similarity / 0.07)');
    expect(protocol).toContain('40 training photos, 25 test photos');
  });

  it('says what to do when there are fewer photos than neighbours', () => {
    const test = { features: queries, labels: numbers('predicted') };
    expect(() => knn(train, test, 41)).toThrow(
      'knn: needs at least as many training photos as neighbours, got 40 photos and k = 41; add photos or lower eval.knnK',
    );
  });

  it('leaves no tensor behind', () => {
    const before = memory.stats().liveTensors;
    knn(train, { features: queries, labels: numbers('predicted') }, 7);
    expect(memory.stats().liveTensors).toBe(before);
  });
});

describe('knnCrossValidated', () => {
  const features: Tensor = randn([30, 5], { generator: generator(1) });

  it('never asks a photo of its own fold', () => {
    // Every photo has a twin of the same class; twins share a fold, so the only perfect neighbour is out of reach.
    const twins = features.repeat([2, 1]); // photo i and i + 30
    const labels = Int32Array.from({ length: 60 }, (_, i) => i % 30);
    const together = Int32Array.from({ length: 60 }, (_, i) => (i % 30) % 3);
    const apart = Int32Array.from({ length: 60 }, (_, i) => (i < 30 ? 0 : 1));
    expect(knnCrossValidated({ features: twins, labels }, together, 1).top1).toBe(0);
    expect(knnCrossValidated({ features: twins, labels }, apart, 1).top1).toBe(100);
  });

  it('equals one split after the other', () => {
    const labels = Int32Array.from({ length: 30 }, (_, i) => (i * 7) % 3);
    const folds = Int32Array.from({ length: 30 }, (_, i) => (i < 10 ? 0 : 1));
    const { right, protocol } = knnCrossValidated({ features, labels }, folds, 5);
    const first = { features: features.narrow(0, 0, 10), labels: labels.slice(0, 10) };
    const rest = { features: features.narrow(0, 10, 20), labels: labels.slice(10) };
    expect([...right]).toEqual([...knn(rest, first, 5).right, ...knn(first, rest, 5).right]);
    expect(protocol).toContain('each of 30 photos against the photos of the other 1 of 2 folds');
  });
});
