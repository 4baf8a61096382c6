// Every layer against PyTorch: output, gradient of the input and of every weight, in both compute dtypes (fixtures/nn.py).

import { describe, expect, it } from 'vitest';
import { ShapeError, type Tensor, generator, grad, noGrad, ones, scope, zeros } from '../index.js';
import { expectClose, expectNoLeak, gradientCheck } from '../testing/index.js';
import { Fixture } from '../testing/fixture.case.js';
import {
  Attention,
  BatchNorm1d,
  Conv2d,
  ConvTranspose2d,
  type ForwardContext,
  Gelu,
  LayerNorm,
  Linear,
  type Module,
  relu,
} from './index.js';

type Layer = Module & { forward(x: Tensor, ctx: ForwardContext): Tensor };

const fixture = new Fixture('nn');
const rng = generator(0);
const computeDtypes = ['float32', 'bfloat16'] as const;
const contextOf = (computeDtype: ForwardContext['computeDtype'], train = false): ForwardContext => {
  return { train, rng, computeDtype };
};

const layers: Readonly<Record<string, () => Layer>> = {
  linear: () => new Linear(7, 5, rng),
  linearPlain: () => new Linear(3, 1, rng, { bias: false }),
  layerNorm: () => new LayerNorm(13, { eps: 1e-6 }),
  layerNormFlat: () => new LayerNorm(5, { eps: 1e-6 }),
  conv: () => new Conv2d(3, 4, { kernel: 3, stride: 2, padding: 1 }, rng),
  convPatch: () => new Conv2d(3, 6, { kernel: 4, stride: 4, bias: false }, rng),
  convTranspose: () => new ConvTranspose2d(4, 3, { kernel: 4, stride: 2, padding: 1 }, rng),
  gelu: () => new Gelu(),
  attention: () => new Attention({ dim: 12, numHeads: 3 }, rng),
  attentionOdd: () => new Attention({ dim: 10, numHeads: 1 }, rng),
};

/** f32: another order of sums. bf16: every product and sum of the way is rounded to 8 bits, so the error goes with the largest value. */
function expectNear(actual: Tensor | undefined, key: string, dtype: ForwardContext['computeDtype']): void {
  const expected = fixture.get(key);
  const largest = expected.abs().max().item();
  const tolerance = dtype === 'float32' ? { atol: 2e-6 * largest } : { rtol: 2e-2, atol: 2e-2 * largest };
  if (actual === undefined) throw new Error(`${key}: no gradient`);
  expectClose(actual.to('float32'), expected, { what: `${key} in ${dtype}`, ...tolerance });
}

function expectParity(name: string, layer: Layer, dtype: ForwardContext['computeDtype'], castFirst: boolean): void {
  layer.loadStateDict(fixture.below(`${name}/w/`));
  const x = fixture.leaf(`${name}/x`);
  const y = layer.forward(castFirst ? x.to(dtype) : x, contextOf(dtype));
  expect(y.dtype).toBe(castFirst || name !== 'gelu' ? dtype : 'float32');
  const named = layer.namedParameters();
  const loss = y
    .to('float32')
    .mul(fixture.get(`${name}/probe`))
    .sum();
  const [gx, ...gw] = grad([loss], [x, ...named.map(([, parameter]) => parameter)]);
  expectNear(y, `${name}/y`, dtype);
  expectNear(gx, `${name}/gx`, dtype);
  named.forEach(([weight], i) => {
    expect(gw[i]?.dtype).toBe('float32');
    expectNear(gw[i], `${name}/gw/${weight}`, dtype);
  });
}

describe.each(Object.keys(layers))('%s', (name) => {
  const make = layers[name] ?? (() => new Gelu());

  it.each(computeDtypes)('equals PyTorch forward and backward in %s', (dtype) => {
    scope(() => {
      expectParity(name, make(), dtype, false);
    });
    scope(() => {
      expectParity(name, make(), dtype, true);
    });
  });

  it('has the gradient of its differences', () => {
    scope(() => {
      const layer = make();
      layer.loadStateDict(fixture.below(`${name}/w/`));
      const x = fixture.leaf(`${name}/x`);
      // A few elements: every weight's gradient is compared with PyTorch's above. Steps go with the size of the input.
      const isFlat = name === 'layerNormFlat';
      const inputs = isFlat ? [x] : [x, ...layer.parameters()];
      const options = { maxElements: 6, stepSize: isFlat ? 1e-5 : 1e-2 };
      gradientCheck(() => layer.forward(x, contextOf('float32')), inputs, options);
    });
  });
});

describe('layers', () => {
  it('leave nothing behind', () => {
    const layer = new Attention({ dim: 12, numHeads: 3 }, rng);
    const x = fixture.get('attention/x');
    for (const dtype of computeDtypes) {
      expectNoLeak(() => {
        layer.forward(x, contextOf(dtype)).sum().backward();
        for (const parameter of layer.parameters()) parameter.grad = undefined;
      });
    }
  });

  it('LayerNorm: every row of the output has mean 0 and variance 1, whatever the scale of the input', () => {
    scope(() => {
      const norm = new LayerNorm(8);
      const x = fixture.get('linear/x').reshape([-1]).slice(0, 0, 40).reshape([5, 8]).mul(100).add(1000);
      const y = norm.forward(x, contextOf('float32'));
      expectClose(y.mean([1]), zeros([5]), { atol: 1e-5 });
      expectClose(y.var([1], { correction: 0 }), ones([5]), { rtol: 1e-4 });
    });
  });

  it('attention: does not depend on the order of the tokens', () => {
    scope(() => {
      const layer = new Attention({ dim: 12, numHeads: 3 }, rng);
      const x = fixture.get('attention/x');
      const ctx = contextOf('float32');
      expectClose(layer.forward(x.flip([1]), ctx), layer.forward(x, ctx).flip([1]));
    });
  });

  it('attention: refuses a width that the heads do not share', () => {
    expect(() => new Attention({ dim: 10, numHeads: 3 }, rng)).toThrow(
      'Attention: dim must be a multiple of numHeads, got 10 and 3; change one of them',
    );
    expect(() => new Attention({ dim: 10, numHeads: 0 }, rng)).toThrow(/got 10 and 0/);
  });

  it('a wrong width is a ShapeError that names the operator and the shapes', () => {
    scope(() => {
      expect(() => new Linear(7, 5, rng).forward(zeros([2, 6]), contextOf('float32'))).toThrow(ShapeError);
    });
  });

  it('relu keeps what is positive', () => {
    expect(relu(fixture.get('gelu/x')).toArray()).toEqual([0, 0, 0, 0, 0, 0.25, 1, 2.5, 9]);
  });
});

describe('BatchNorm1d', () => {
  it('equals PyTorch over two training batches and an evaluation, gradients and running statistics included', () => {
    const norm = new BatchNorm1d(6);
    norm.loadStateDict(fixture.below('batchNorm/w/'), { strict: false });
    for (const step of [0, 1, 2]) {
      scope(() => {
        const key = `batchNorm${step}`;
        const x = fixture.leaf(`${key}/x`);
        const y = norm.forward(x, contextOf('bfloat16', step < 2));
        expect(y.dtype).toBe('float32');
        const loss = y.mul(fixture.get(`${key}/probe`)).sum();
        const [gx, gw, gb] = grad([loss], [x, norm.weight, norm.bias]);
        expectNear(y, `${key}/y`, 'float32');
        expectNear(gx, `${key}/gx`, 'float32');
        expectNear(gw, `${key}/gw/weight`, 'float32');
        expectNear(gb, `${key}/gw/bias`, 'float32');
        expectNear(norm.runningMean, `${key}/running_mean`, 'float32');
        expectNear(norm.runningVar, `${key}/running_var`, 'float32');
      });
    }
    expect(norm.numBatchesTracked?.item()).toBe(2);
    expect([...norm.stateDict().keys()]).toEqual([
      'weight',
      'bias',
      'running_mean',
      'running_var',
      'num_batches_tracked',
    ]);
  });

  it('without running statistics it has no buffers and uses the batch out of training too', () => {
    scope(() => {
      const norm = new BatchNorm1d(6, { trackRunningStats: false });
      const x = fixture.get('batchNorm0/x');
      expect(norm.buffers()).toEqual([]);
      expectClose(norm.forward(x, contextOf('float32')), norm.forward(x, contextOf('float32', true)));
    });
  });

  it('refuses a batch of one in training, where the variance is nothing, and another width', () => {
    scope(() => {
      const norm = new BatchNorm1d(3);
      expect(() => norm.forward(zeros([1, 3]), contextOf('float32', true))).toThrow(
        'BatchNorm1d: the input must be [B, 3] with B of at least 2, got [1, 3]',
      );
      expect(() => norm.forward(zeros([4, 2]), contextOf('float32'))).toThrow('must be [B, 3], got [4, 2]');
      expect(noGrad(() => norm.forward(zeros([1, 3]), contextOf('float32'))).shape).toEqual([1, 3]);
      expect(norm.numBatchesTracked?.item()).toBe(0);
    });
  });
});
