import { describe, expect, it } from 'vitest';
import { type Tensor, noGrad, scope, zeros } from '../index.js';
import { expectClose, expectNoLeak, gradientCheck } from '../testing/index.js';
import { BatchNorm1d, BatchNorm2d, Parameter } from './index.js';
import { computeDtypes, contextOf, expectNear, expectParity, fixture, inputsOf, loadWeights } from './parity.case.js';

const norms: Readonly<Record<string, () => BatchNorm1d | BatchNorm2d>> = {
  batchNorm: () => new BatchNorm1d(6),
  batchNormRows: () => new BatchNorm1d(4, { eps: 1e-3, momentum: 0.3 }),
  batchNormMaps: () => new BatchNorm2d(3),
  batchNormPlain: () => new BatchNorm2d(3, { affine: false }),
};

describe.each(Object.entries(norms))('%s', (name, make) => {
  it.each(computeDtypes)(
    'equals PyTorch over two training batches and an evaluation in %s, gradients and running statistics included',
    (dtype) => {
      const norm = make();
      loadWeights(norm, name);
      for (const step of [0, 1, 2]) {
        scope(() => {
          const inputs = inputsOf(`${name}/${step}`);
          const [x = zeros([])] = inputs;
          const y = norm.forward(x.to(dtype), contextOf(dtype, step < 2));
          expect(y.dtype).toBe(dtype);
          expectParity(`${name}/${step}`, norm, inputs, y, dtype);
          // The inputs are numbers that bfloat16 holds exactly, so the statistics are those of float32.
          for (const [buffer, values] of norm.namedBuffers()) {
            if (buffer !== 'num_batches_tracked') expectNear(values, `${name}/${step}/after/${buffer}`);
          }
        });
      }
      expect(norm.numBatchesTracked?.item()).toBe(2);
    },
  );

  it('has the gradient of its differences, through the statistics in training', () => {
    scope(() => {
      const norm = make();
      loadWeights(norm, name);
      for (const train of [true, false]) {
        const [x = zeros([])] = inputsOf(`${name}/0`);
        const before = norm.buffers().map((buffer) => buffer.clone());
        gradientCheck(
          () => {
            norm.buffers().forEach((buffer, i) => noGrad(() => buffer.copy_(before[i] ?? buffer)));
            return norm.forward(x, contextOf('float32', train));
          },
          [x, ...norm.parameters()],
          { maxElements: 8 },
        );
      }
    });
  });
});

describe('BatchNorm1d and BatchNorm2d', () => {
  it('without running statistics have no buffers and use the batch out of training too', () => {
    scope(() => {
      const norm = new BatchNorm1d(6, { trackRunningStats: false });
      const x = fixture.get('batchNorm/0/x');
      expect(norm.buffers()).toEqual([]);
      expectClose(norm.forward(x, contextOf()), norm.forward(x, contextOf('float32', true)));
    });
  });

  it('an evaluation changes nothing', () => {
    scope(() => {
      const norm = new BatchNorm2d(3);
      const bytes = (): Uint8Array[] => norm.buffers().map((buffer) => buffer.toBytes());
      const before = bytes();
      norm.forward(fixture.get('batchNormMaps/0/x'), contextOf());
      expect(bytes()).toEqual(before);
      norm.forward(fixture.get('batchNormMaps/0/x'), contextOf('float32', true));
      expect(bytes()).not.toEqual(before);
    });
  });

  it('keep the memory format of maps', () => {
    scope(() => {
      const x = fixture.get('batchNormMaps/0/x').to({ memoryFormat: 'channelsLast' });
      const y = new BatchNorm2d(3).forward(x, contextOf('float32', true));
      expect(y.strides).toEqual(x.strides);
    });
  });

  it('refuse other shapes, and one value a channel in training, where the variance is nothing', () => {
    scope(() => {
      const [rows, maps] = [new BatchNorm1d(3), new BatchNorm2d(3)];
      const train = contextOf('float32', true);
      expect(() => rows.forward(zeros([1, 3]), train)).toThrow(
        'BatchNorm1d: the input must be [B, 3] or [B, 3, L] with at least 2 values a channel, got [1, 3]',
      );
      expect(() => rows.forward(zeros([1, 3, 1]), train)).toThrow('got [1, 3, 1]');
      expect(() => rows.forward(zeros([4, 2]), contextOf())).toThrow('must be [B, 3] or [B, 3, L], got [4, 2]');
      expect(() => rows.forward(zeros([4, 3, 2, 2]), contextOf())).toThrow('got [4, 3, 2, 2]');
      expect(() => maps.forward(zeros([4, 3]), train)).toThrow(
        'BatchNorm2d: the input must be [B, 3, H, W] with at least 2 values a channel, got [4, 3]',
      );
      expect(noGrad(() => rows.forward(zeros([1, 3]), contextOf())).shape).toEqual([1, 3]);
      expect(rows.numBatchesTracked?.item()).toBe(0);
    });
  });

  it('of no images give none, and gradients of zero', () => {
    scope(() => {
      const norm = new BatchNorm2d(3);
      const y = norm.forward(zeros([0, 3, 2, 2]), contextOf());
      y.sum().backward();
      expect([y.shape, norm.weight?.grad?.toArray()]).toEqual([
        [0, 3, 2, 2],
        [0, 0, 0],
      ]);
    });
  });

  it('leave nothing behind', () => {
    const norm = new BatchNorm2d(3);
    const x: Tensor = fixture.get('batchNormMaps/0/x');
    expectNoLeak(() => norm.forward(x, contextOf('float32', true)));
    expect(norm.weight).toBeInstanceOf(Parameter);
  });
});
