// Activations and pooling against PyTorch: output and gradient in both dtypes (fixtures/nn.py).

import { describe, expect, it } from 'vitest';
import { type Tensor, scope, tensor, zeros } from '../index.js';
import { gradientCheck } from '../testing/index.js';
import * as nn from './index.js';
import { computeDtypes, expectParity, fixture, inputsOf } from './parity.case.js';

const functions: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  relu: nn.relu,
  relu6: nn.relu6,
  leakyRelu: (x) => nn.leakyRelu(x, 0.125),
  elu: (x) => nn.elu(x, 0.5),
  gelu: nn.gelu,
  geluTanh: nn.geluTanh,
  silu: nn.silu,
  mish: nn.mish,
  hardswish: nn.hardswish,
  softplus: nn.softplus,
  sigmoid: nn.sigmoid,
  tanh: nn.tanh,
  softmax: (x) => nn.softmax(x, 1),
  logSoftmax: (x) => nn.logSoftmax(x, 0),
  maxPool: (x) => nn.maxPool2d(x, { kernel: 3, stride: 2, padding: 1 }),
  maxPoolOdd: (x) =>
    nn.maxPool2d(x, { kernel: [2, 3], stride: [2, 1], padding: [0, 1], dilation: [1, 2], ceilMode: true }),
  avgPool: (x) => nn.avgPool2d(x, { kernel: 2 }),
  avgPoolOdd: (x) =>
    nn.avgPool2d(x, { kernel: [3, 2], stride: [2, 1], padding: [1, 0], ceilMode: true, countPadding: false }),
  adaptiveAvgPool: (x) => nn.adaptiveAvgPool2d(x, [3, 2]),
  globalAvgPool: nn.globalAvgPool,
  globalMaxPool: nn.globalMaxPool,
};

describe.each(Object.entries(functions))('%s', (name, fn) => {
  it.each(computeDtypes)('equals PyTorch forward and backward in %s', (dtype) => {
    scope(() => {
      const inputs = inputsOf(name);
      const [x = zeros([])] = inputs;
      const y = fn(x.to(dtype));
      expect(y.dtype).toBe(dtype);
      expectParity(name, new nn.Sequential(), inputs, y, dtype);
    });
  });

  it('has the gradient of its differences', () => {
    // The inputs of pooling are 1/16 apart: a small step changes no maximum.
    scope(() => gradientCheck(fn, [fixture.get(`${name}/x`).to('float64')], { maxElements: 24 }));
  });
});

describe('pooling', () => {
  it('global means and maxima are of all spatial dimensions, and equal maxima share the gradient', () => {
    scope(() => {
      const x = tensor([[[1, 3, 3, 1]]], { requiresGrad: true }); // [B, C, L]
      expect([nn.globalAvgPool(x).toArray(), nn.globalMaxPool(x).toArray()]).toEqual([[[2]], [[3]]]);
      nn.globalMaxPool(x).sum().backward();
      expect(x.grad?.toArray()).toEqual([[[0, 0.5, 0.5, 0]]]);
    });
  });
});
