// Every layer against PyTorch: output, gradient of the input and of every weight, in both compute dtypes (fixtures/nn.py).

import { describe, expect, it } from 'vitest';
import { ShapeError, convolution, generator, grad, ones, randn, scope, zeros } from '../index.js';
import { expectClose, expectNoLeak, gradientCheck } from '../testing/index.js';
import {
  Attention,
  Conv1d,
  Conv2d,
  ConvTranspose2d,
  Embedding,
  GroupNorm,
  type Layer,
  LayerNorm,
  Linear,
  Sequential,
  silu,
} from './index.js';
import { computeDtypes, contextOf, expectParity, fixture, inputsOf, loadWeights } from './parity.case.js';

const rng = generator(0);

const layers: Readonly<Record<string, () => Layer>> = {
  linear: () => new Linear(7, 5, rng),
  linearPlain: () => new Linear(3, 1, rng, { bias: false }),
  layerNorm: () => new LayerNorm(13, { eps: 1e-6 }),
  layerNormFlat: () => new LayerNorm(5, { eps: 1e-6 }),
  layerNormShape: () => new LayerNorm([3, 5]),
  layerNormPlain: () => new LayerNorm(7, { affine: false }),
  groupNorm: () => new GroupNorm(3, 6),
  groupNormOne: () => new GroupNorm(1, 5, { eps: 1e-3 }),
  groupNormPlain: () => new GroupNorm(4, 4, { affine: false }),
  conv: () => new Conv2d(3, 4, { kernel: 3, stride: 2, padding: 1 }, rng),
  convPatch: () => new Conv2d(3, 6, { kernel: 4, stride: 4, bias: false }, rng),
  convDepthwise: () =>
    new Conv2d(4, 8, { kernel: [3, 2], stride: [1, 2], padding: [1, 0], dilation: [2, 1], groups: 4 }, rng),
  conv1d: () => new Conv1d(4, 6, { kernel: 3, stride: 2, padding: 2, dilation: 2, groups: 2 }, rng),
  convTranspose: () => new ConvTranspose2d(4, 3, { kernel: 4, stride: 2, padding: 1 }, rng),
  convTransposeGroups: () =>
    new ConvTranspose2d(
      4,
      6,
      { kernel: [3, 2], stride: [2, 3], padding: [1, 0], outputPadding: [1, 2], groups: 2, dilation: [2, 1] },
      rng,
    ),
  embedding: () => new Embedding(7, 5, rng),
  attention: () => new Attention({ dim: 12, numHeads: 3 }, rng),
  attentionCausal: () => new Attention({ dim: 12, numHeads: 3, isCausal: true }, rng),
  attentionOdd: () => new Attention({ dim: 10, numHeads: 1 }, rng),
  sequential: () => new Sequential(new Linear(6, 5, rng), silu, new LayerNorm(5), new Linear(5, 3, rng)),
};

describe.each(Object.entries(layers))('%s', (name, make) => {
  it.each(computeDtypes)('equals PyTorch forward and backward in %s, for inputs of both dtypes', (dtype) => {
    for (const isCast of [false, true]) {
      scope(() => {
        const layer = make();
        loadWeights(layer, name);
        const inputs = inputsOf(name);
        const [x = zeros([])] = inputs;
        const y = layer.forward(isCast && x.requiresGrad ? x.to(dtype) : x, contextOf(dtype));
        expect(y.dtype).toBe(dtype);
        expectParity(name, layer, inputs, y, dtype);
      });
    }
  });

  it('has the gradient of its differences', () => {
    scope(() => {
      const layer = make();
      loadWeights(layer, name);
      const [x = zeros([])] = inputsOf(name);
      // A few elements: every weight's gradient is compared with PyTorch's above. Steps go with the size of the input.
      const isFlat = name === 'layerNormFlat';
      const inputs = [...(x.requiresGrad ? [x] : []), ...(isFlat ? [] : layer.parameters())];
      const options = { maxElements: 6, stepSize: isFlat ? 1e-5 : 1e-2 };
      gradientCheck(() => layer.forward(x, contextOf()), inputs, options);
    });
  });

  it('leaves nothing behind', () => {
    const layer = make();
    const [x = zeros([])] = inputsOf(name);
    for (const dtype of computeDtypes) {
      expectNoLeak(() => {
        const y = layer.forward(x, contextOf(dtype)).sum();
        grad([y], [...(x.requiresGrad ? [x] : []), ...layer.parameters()]);
      });
    }
  });
});

describe('LayerNorm and GroupNorm', () => {
  it('every row of the output has mean 0 and variance 1, whatever the scale of the input', () => {
    scope(() => {
      const rows = fixture.get('linear/x').reshape([-1]).slice(0, 0, 40).reshape([5, 8]).mul(100).add(1000);
      for (const y of [
        new LayerNorm(8).forward(rows, contextOf()),
        new GroupNorm(1, 4).forward(rows.reshape([5, 4, 2]), contextOf()).flatten(1),
      ]) {
        expectClose(y.mean([1]), zeros([5]), { atol: 1e-5 });
        expectClose(y.var([1], { correction: 0 }), ones([5]), { rtol: 1e-4 });
      }
    });
  });

  it('refuse groups that the channels do not share, and other channels', () => {
    expect(() => new GroupNorm(4, 6)).toThrow('GroupNorm: channels must be a multiple of the groups, got 6 and 4');
    expect(() => new GroupNorm(0, 6)).toThrow('got 6 and 0');
    scope(() => {
      expect(() => new GroupNorm(2, 4).forward(zeros([1, 6, 2]), contextOf())).toThrow(ShapeError);
      expect(() => new LayerNorm(4).forward(zeros([2, 5]), contextOf())).toThrow(ShapeError);
    });
  });
});

describe('Attention', () => {
  it('does not depend on the order of the tokens', () => {
    scope(() => {
      const layer = new Attention({ dim: 12, numHeads: 3 }, rng);
      const x = fixture.get('attention/x');
      expectClose(layer.forward(x.flip([1]), contextOf()), layer.forward(x, contextOf()).flip([1]));
    });
  });

  it('refuses a width that the heads do not share', () => {
    expect(() => new Attention({ dim: 10, numHeads: 3 }, rng)).toThrow(
      'Attention: dim must be a multiple of numHeads, got 10 and 3; change one of them',
    );
    expect(() => new Attention({ dim: 10, numHeads: 0 }, rng)).toThrow(/got 10 and 0/);
  });
});

describe('Linear and convolutions', () => {
  it('a wrong width is a ShapeError that names the operator and the shapes', () => {
    scope(() => {
      expect(() => new Linear(7, 5, rng).forward(zeros([2, 6]), contextOf())).toThrow(ShapeError);
      const conv = new Conv2d(3, 4, { kernel: 3 }, rng);
      expect(() => conv.forward(zeros([1, 2, 5, 5]), contextOf())).toThrow(/convolution.*3 channels.*2 channels/);
      expect(() => conv.forward(zeros([3, 5, 5]), contextOf())).toThrow(ShapeError);
    });
  });

  it('a convolution and its transpose are adjoint: <conv(x), y> = <x, transpose(y)>', () => {
    scope(() => {
      const config = { kernel: 3, stride: 2, padding: 1, bias: false };
      const [conv, transpose] = [new Conv2d(2, 4, config, rng), new ConvTranspose2d(4, 2, config, rng)];
      transpose.loadStateDict(conv.stateDict());
      const x = fixture.get('maxPool/x').narrow(1, 0, 2); // [2, 2, 7, 5]
      const y = conv.forward(x, contextOf()).cos();
      const [left, right] = [conv.forward(x, contextOf()).mul(y), x.mul(transpose.forward(y, contextOf()))];
      expectClose(left.sum(), right.sum(), { rtol: 1e-4 });
    });
  });

  it.each([
    [1, 1, 1],
    [5, 3, 4],
    [4, 7, 3],
  ])(
    "a transposed convolution that doubles a side of %i x %i to %i channels is the engine's own",
    (height, width, outDim) => {
      scope(() => {
        const conv = new ConvTranspose2d(5, outDim, { kernel: 4, stride: 2, padding: 1 }, rng);
        const x = randn([2, 5, height, width], { generator: rng });
        const expected = convolution(x, conv.weight, conv.bias, [2, 2], [1, 1], [1, 1], true, [0, 0], 1);
        expectClose(conv.forward(x, contextOf()), expected);
      });
    },
  );

  it('refuse geometry that makes no sense', () => {
    const make = (config: object) => () => new Conv2d(4, 6, { kernel: 3, ...config }, rng);
    expect(make({ groups: 4 })).toThrow('Conv2d: channels must be multiples of groups, got 4 in, 6 out, 4 groups');
    expect(make({ kernel: [3, 3, 3] })).toThrow(
      'Conv2d: kernel: must be 2 whole numbers from 1, or one for all, got 3, 3, 3',
    );
    expect(make({ stride: 0 })).toThrow('Conv2d: stride: must be 2 whole numbers from 1, or one for all, got 0, 0');
    expect(make({ padding: -1 })).toThrow('Conv2d: padding: must be 2 whole numbers from 0');
    expect(make({ dilation: 1.5 })).toThrow('Conv2d: dilation: must be');
    expect(() => new ConvTranspose2d(4, 4, { kernel: 3, outputPadding: [1] }, rng)).toThrow(
      'ConvTranspose2d: outputPadding',
    );
  });
});

describe('Embedding', () => {
  it('with a padding row equals PyTorch', () => {
    scope(() => {
      const layer = new Embedding(7, 5, rng, { paddingIndex: 2 });
      loadWeights(layer, 'embeddingPadding');
      const inputs = inputsOf('embeddingPadding');
      expectParity('embeddingPadding', layer, inputs, layer.forward(inputs[0] ?? zeros([]), contextOf()));
    });
  });

  it('the padding row starts at zero and gets no gradient', () => {
    scope(() => {
      const layer = new Embedding(5, 3, rng, { paddingIndex: 4 });
      expect(layer.weight.select(0, 4).abs().sum().item()).toBe(0);
      expect(layer.weight.abs().sum().item()).toBeGreaterThan(0);
      layer
        .forward(zeros([2], { dtype: 'int64' }).add(4), contextOf())
        .sum()
        .backward();
      expect(layer.weight.grad?.abs().sum().item()).toBe(0);
    });
  });

  it('refuses indices outside the table', () => {
    expect(() => new Embedding(5, 3, rng, { paddingIndex: 5 })).toThrow('paddingIndex must be in [0, 5), got 5');
    scope(() => {
      const layer = new Embedding(5, 3, rng);
      expect(() => layer.forward(zeros([1], { dtype: 'int64' }).add(5), contextOf())).toThrow(ShapeError);
    });
  });
});
