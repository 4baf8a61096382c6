// Losses against torch.nn.functional: values and gradients (fixtures/losses.py), differences, and what they refuse.

import { describe, expect, it } from 'vitest';
import { ShapeError, type Tensor, cat, grad, ones, scope, tensor, zeros } from '../index.js';
import { Fixture } from '../testing/fixture.case.js';
import { expectClose, gradientCheck } from '../testing/index.js';
import * as nn from './index.js';

const fixture = new Fixture('losses');
const weight = fixture.get('weight');
const signs = fixture.get('signs');
const bceWeights = { weight: fixture.get('elementWeight'), posWeight: fixture.get('posWeight') };
const everything = { weight, ignoreIndex: 3, labelSmoothing: 0.2 };

type Loss = (x: Tensor, target: Tensor) => Tensor;
const crossEntropy =
  (options: nn.CrossEntropyOptions): Loss =>
  (x, target) =>
    nn.crossEntropy(x, target, options);

const reductions = [
  ['', {}],
  ['Sum', { reduction: 'sum' }],
  ['None', { reduction: 'none' }],
] as const;

const losses: Readonly<Record<string, Loss>> = {
  crossEntropy: nn.crossEntropy,
  crossEntropySum: crossEntropy({ reduction: 'sum' }),
  crossEntropyNone: crossEntropy({ reduction: 'none' }),
  crossEntropyNonePixels: crossEntropy({ reduction: 'none' }),
  crossEntropySmooth: crossEntropy({ labelSmoothing: 0.1 }),
  crossEntropyWeight: crossEntropy({ weight }),
  crossEntropyIgnore: crossEntropy({ ignoreIndex: 3 }),
  crossEntropyAll: crossEntropy(everything),
  crossEntropyAllPixels: crossEntropy(everything),
  crossEntropySoft: crossEntropy({ weight, labelSmoothing: 0.1 }),
  nll: nn.nllLoss,
  nllPixels: (x, target) => nn.nllLoss(x, target, { weight, ignoreIndex: 2 }),
  ...Object.fromEntries(
    reductions.flatMap(([name, option]): [string, Loss][] => [
      [`mse${name}`, (x, target) => nn.mseLoss(x, target, option)],
      [`l1${name}`, (x, target) => nn.l1Loss(x, target, option)],
      [`smoothL1${name}`, (x, target) => nn.smoothL1Loss(x, target, { beta: 0.5, ...option })],
      [`bce${name}`, (x, target) => nn.binaryCrossEntropyWithLogits(x, target, { ...bceWeights, ...option })],
      [`cosineEmbedding${name}`, (a, b) => nn.cosineEmbeddingLoss(a, b, signs, { margin: 0.25, ...option })],
    ]),
  ),
  cosine: nn.cosineSimilarity,
  cosineMaps: (a, b) => nn.cosineSimilarity(a, b, { dim: -1 }),
  'klDiv/batchmean': nn.klDiv,
  'klDiv/mean': (x, target) => nn.klDiv(x, target, { reduction: 'mean' }),
  'klDiv/sum': (x, target) => nn.klDiv(x, target, { reduction: 'sum' }),
  'klDiv/none': (x, target) => nn.klDiv(x, target, { reduction: 'none' }),
  'klDiv/log': (x, target) => nn.klDiv(x, target, { logTarget: true }),
};

/** One rounding to 8 bits, of which two values on either side of a boundary differ by twice as much. */
const oneRounding = { rtol: 2 ** -7, atol: 1e-6 };

describe.each(Object.entries(losses))('%s', (name, loss) => {
  it.each(['float32', 'bfloat16'] as const)('equals PyTorch in float32 for inputs in %s', (dtype) => {
    scope(() => {
      // The inputs are numbers that bfloat16 holds exactly, so only the gradients are rounded to it.
      const x = fixture.get(`${name}/x`).to(dtype).requiresGrad_();
      const target = fixture.get(`${name}/target`);
      const gradientOfTarget = fixture.below(`${name}/`).get('gtarget');
      const other = gradientOfTarget === undefined ? target : target.to({ dtype, copy: true }).requiresGrad_();
      const y = loss(x, other);
      expectClose(y, fixture.get(`${name}/y`), { what: 'value' });
      const probed = y.mul(fixture.get(`${name}/probe`)).sum();
      const [gx = zeros([]), gTarget] = grad([probed], gradientOfTarget === undefined ? [x] : [x, other]);
      expectClose(gx, fixture.get(`${name}/gx`).to(dtype), {
        what: 'gradient',
        ...(dtype === 'bfloat16' && oneRounding),
      });
      if (gradientOfTarget === undefined || gTarget === undefined) return;
      expectClose(gTarget, gradientOfTarget.to(dtype), { what: "target's", ...(dtype === 'bfloat16' && oneRounding) });
    });
  });

  it('has the gradient of its differences', () => {
    scope(() => {
      const target = fixture.get(`${name}/target`);
      const x = fixture.get(`${name}/x`).to('float64');
      const isDifferentiable = fixture.below(`${name}/`).has('gtarget');
      if (isDifferentiable) gradientCheck(loss, [x, target.to('float64')]);
      else gradientCheck((input) => loss(input, target), [x]);
    });
  });
});

describe('losses', () => {
  it('stay in float64 where the input is', () => {
    scope(() => {
      const [x, y] = [ones([2, 3], { dtype: 'float64' }), zeros([2, 3], { dtype: 'float64' })];
      const labels = zeros([2], { dtype: 'int64' });
      for (const value of [nn.mseLoss(x, y), nn.crossEntropy(x, labels), nn.binaryCrossEntropyWithLogits(x, y)]) {
        expect([value.dtype, ...value.shape]).toEqual(['float64']);
      }
    });
  });

  it('crossEntropy of even scores is the logarithm of the classes, and smoothing does not change it', () => {
    scope(() => {
      const labels = tensor([1, 0], { dtype: 'int64' });
      for (const labelSmoothing of [0, 0.3]) {
        expectClose(nn.crossEntropy(zeros([2, 8]), labels, { labelSmoothing }), Math.log(8));
      }
    });
  });

  it('crossEntropy is unmoved by ignored targets, and NaN when there are no others', () => {
    scope(() => {
      const [x, labels] = [fixture.get('crossEntropy/x'), fixture.get('crossEntropy/target')];
      const [ignoredX, ignored] = [ones([1, 5]), tensor([-100], { dtype: 'int64' })];
      const both = nn.crossEntropy(cat([x, ignoredX]), cat([labels, ignored]));
      expectClose(both, nn.crossEntropy(x, labels));
      expect(nn.crossEntropy(ignoredX, ignored).isnan().item()).toBe(1);
    });
  });

  it('klDiv is zero for equal distributions and log 2 for one half of the other', () => {
    scope(() => {
      const [half, one] = [tensor([[0.5, 0.5]]), tensor([[1, 0]])];
      expectClose(nn.klDiv(half.log(), half), 0);
      expectClose(nn.klDiv(half.log(), one), Math.log(2));
    });
  });

  it('refuse inputs that would be broadcast, and targets that do not fit', () => {
    scope(() => {
      const [column, row] = [zeros([3, 1]), zeros([3])];
      for (const loss of [nn.mseLoss, nn.l1Loss, nn.smoothL1Loss, nn.klDiv, nn.binaryCrossEntropyWithLogits]) {
        expect(() => loss(column, row)).toThrow(`${loss.name}: both inputs must have one shape, got [3, 1] and [3]`);
      }
      expect(() => nn.cosineSimilarity(column, row)).toThrow(ShapeError);
      expect(() => nn.crossEntropy(zeros([2, 3]), zeros([3], { dtype: 'int64' }))).toThrow(ShapeError);
      expect(() => nn.crossEntropy(zeros([1, 3]), tensor([3], { dtype: 'int64' }))).toThrow(/out of bounds/);
    });
  });
});
