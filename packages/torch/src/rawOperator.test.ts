import { describe, expect, it } from 'vitest';
import {
  DtypeError,
  type RawCall,
  type RawResult,
  ShapeError,
  Tensor,
  TorchError,
  arange,
  dtypes,
  elementBytes,
  generator,
  memory,
  operatorNames,
  ops,
  rand,
  scope,
  tensor,
  zeros,
} from './index.js';
import { type ArgumentDescription, type ReturnDescription, engine } from './native.js';

const { aten } = ops;
/** The elements of tensors in one row, in place of them; a number alone for rank 0. */
const values = (result: RawResult): unknown => {
  if (Array.isArray(result)) return result.map(values);
  if (!(result instanceof Tensor)) return result;
  const row = result.rank === 0 ? result : result.reshape([-1]);
  return row.dtype.startsWith('complex') ? row.toArray('complex') : row.toArray();
};

/** The type of an argument or a result as schemas write it, with symbolic integers as integers. */
const typeName = (described: ArgumentDescription | ReturnDescription): string => {
  const { kind, isList } = described;
  const isOptional = 'isOptional' in described && described.isOptional;
  const elementIsOptional = 'elementIsOptional' in described && described.elementIsOptional;
  return `${kind}${elementIsOptional ? '?' : ''}${isList ? '[]' : ''}${isOptional ? '?' : ''}`;
};

describe('raw operators: every type of a schema', () => {
  const x = tensor([
    [1, -2],
    [-3, 4],
  ]);
  const image = arange(16, { dtype: 'float32' }).reshape([1, 1, 4, 4]); // [B, C, H, W]
  const volume = zeros([1, 2, 3, 4]); // [B, C, H, W]
  const sorted = [
    [1, -2, 4, -3],
    [0, 1, 1, 0],
  ];
  const i = { re: 0, im: 1 };
  const large = 2n ** 60n + 1n;

  /** By type: calls with an argument of it, and what they give. */
  const calls: Readonly<Record<string, readonly (readonly [RawResult, unknown])[]>> = {
    Tensor: [
      [aten.relu(x), [1, 0, 0, 4]],
      [aten.eq.Scalar(aten.add.Tensor(tensor([1n]), large), large + 1n), [1]],
      [aten.mul.Tensor(tensor([2]), i), [{ re: 0, im: 2 }]],
      [aten.add.Tensor(tensor([1n]), true).dtype, 'int64'],
    ],
    'Tensor?': [
      [aten.linear(x, x, null), [5, -11, -11, 25]],
      [aten.clamp.Tensor(x, undefined, tensor(0)), [0, -2, -3, 0]],
    ],
    'Tensor[]': [
      [aten.cat([x, x], 1), [1, -2, 1, -2, -3, 4, -3, 4]],
      [aten._foreach_neg([x]), [[-1, 2, 3, -4]]],
    ],
    'Tensor?[]': [[aten.index.Tensor(x, [undefined, tensor([1n])]), [-2, 4]]],
    Scalar: [
      [aten.add.Scalar(tensor([1]), 0.5), [1.5]],
      [aten.add.Scalar(tensor([1n]), true), [2]],
      [aten.add.Scalar(tensor([1n]), -2), [-1]],
      [aten.add.Scalar(tensor([1]), i, 2), [{ re: 1, im: 2 }]],
      [aten.eq.Scalar(tensor([large]), large), [1]],
      [aten.eq.Scalar(tensor([large]), large - 1n), [0]],
    ],
    'Scalar?': [[aten.clamp(x, null, 2), [1, -2, -3, 2]]],
    'Scalar[]': [
      [aten._foreach_add.ScalarList([tensor([1]), tensor([2])], [10, 0.5]), [[11], [2.5]]],
      [aten._foreach_add.ScalarList([tensor([1n]), tensor([2])], [true, i]), [[2], [{ re: 2, im: 1 }]]],
    ],
    'Scalar?[]': [
      [ops('mkldnn::_linear_pointwise')(x, x, null, 'hardtanh', [-1, 1], ''), [1, -1, -1, 1]],
      [ops('mkldnn::_linear_pointwise')(x, x, null, 'none', [null], ''), [5, -11, -11, 25]],
    ],
    int: [
      [aten.select.int(x, -1, 0), [1, -3]],
      [aten.select.int(x, 1n, 1n), [-2, 4]],
    ],
    'int?': [[aten.slice.Tensor(x, 0, null, 1), [1, -2]]],
    'int[]': [
      [aten.permute(x, [1, 0]), [1, -3, -2, 4]],
      [[...aten.view(x, [4n, 1]).shape], [4, 1]],
      [aten.avg_pool2d(image, 2), [2.5, 4.5, 10.5, 12.5]],
    ],
    'int[]?': [[aten.sum.dim_IntList(x, null), 0]],
    float: [[aten.hardtanh_backward(x, x, -3.5, 3.5), [1, -2, -3, 0]]],
    'float?': [[aten.nan_to_num(tensor([NaN, Infinity]), 0.5, -0.25), [0.5, -0.25]]],
    'float[]?': [[aten.upsample_nearest2d.vec(image, null, [0.25, 0.5]), [0, 2]]],
    bool: [[aten.sort.stable(x, true, 1, true), sorted]],
    'bool?': [[aten.zeros([1], { pin_memory: false }), [0]]],
    'bool[]': [
      [
        aten.convolution_backward(image, image, image, null, 1, 0, 1, false, 0, 1, [false, false, false]),
        [undefined, undefined, undefined],
      ],
    ],
    str: [[aten.einsum('ij->ji', [x]), [1, -3, -2, 4]]],
    'str?': [[aten.div.Tensor_mode(x, 2, { rounding_mode: 'floor' }), [0, -1, -2, 2]]],
    ScalarType: [
      [aten.view.dtype(tensor([1]), 'int32'), [0x3f800000]],
      [aten.promote_types('int64', 'float16'), 'float16'],
    ],
    'ScalarType?': [[aten.sum(x, { dtype: 'int64' }).dtype, 'int64']],
    'Layout?': [[aten.zeros([1], { layout: 'strided' }), [0]]],
    MemoryFormat: [[[...aten.contiguous(volume, { memory_format: 'channelsLast' }).strides], [24, 1, 8, 2]]],
    'MemoryFormat?': [[[...aten.clone(volume, { memory_format: 'channelsLast' }).strides], [24, 1, 8, 2]]],
    Device: [[aten.to.device(x, 'cpu', 'float64').dtype, 'float64']],
    'Device?': [[aten.zeros([1], { device: 'cpu' }), [0]]],
    'Generator?': [
      [aten.rand.generator([2], generator(3)), values(rand([2], { generator: generator(3) }))],
      [aten.rand.generator([2], { generator: generator(3) }), values(rand([2], { generator: generator(3) }))],
    ],
  };

  /** Types of arguments with no operator that could show what they do, and why. */
  const outOfReach = {
    Layout: '_validate_sparse_compressed_tensor_args alone, which takes sparse layouts only',
    'str[]': 'operators of process groups alone',
    'str[]?': 'names of dimensions, which libtorch 2.11 still has',
    unsupported: 'process groups, packed weights, storages, streams and nested lists have no counterpart in TypeScript',
    'unsupported[]': 'the same',
  };

  const described = operatorNames().map((fullName) => {
    const [name = '', overload = ''] = fullName.split('.');
    return engine().describeOperator(engine().resolve(name, overload));
  });

  it.each(Object.entries(calls))('arguments of type %s', (_, results) => {
    for (const [result, expected] of results) expect(values(result)).toEqual(expected);
  });

  it('are the types of arguments there are', () => {
    const found = new Set(described.flatMap(({ arguments: rules }) => rules.map(typeName)));
    const inReach = [...found].filter((type) => !Object.hasOwn(outOfReach, type));
    expect(Object.keys(calls).sort()).toEqual(inReach.sort());
  });

  it('results', () => {
    const results: Readonly<Record<string, readonly (readonly [RawResult, unknown])[]>> = {
      Tensor: [[aten.neg(tensor([1])), [-1]]],
      'Tensor[]': [[aten.split.Tensor(tensor([3, 1, 2]), 2), [[3, 1], [2]]]],
      Scalar: [
        [aten.item(tensor(2.5)), 2.5],
        [aten.item(tensor(large)), large],
        [aten.item(tensor(7n)), 7],
        [aten.item(tensor(true)), true],
        [aten.item(tensor(i)), i],
      ],
      bool: [[aten.is_floating_point(tensor([1])), true]],
      int: [[aten.size.int(tensor([1]), 0), 1]],
      float: [[aten._choose_qparams_per_tensor(tensor([0, 255])), [1, 0]]],
      ScalarType: [[aten.result_type.Scalar(tensor([1n]), 0.5), 'float32']],
    };
    for (const [result, expected] of Object.values(results).flat()) expect(values(result)).toEqual(expected);
    // int[] comes from packed weights and str from nested lists, which cannot be handed in.
    const found = new Set(described.flatMap(({ returns }) => returns.map(typeName)));
    expect([...Object.keys(results), 'int[]', 'str', 'unsupported', 'unsupported[]'].sort()).toEqual([...found].sort());
  });

  const wrong: readonly unknown[] = [
    'nonsense',
    {},
    [],
    null,
    42,
    true,
    Symbol('s'),
    10n,
    2n ** 64n,
    i,
    () => 1,
    [[1]],
  ];
  it.each([
    'add.Tensor',
    'add.Scalar',
    'sum.dim_IntList',
    'zeros',
    'einsum',
    'cat',
    '_foreach_add.ScalarList',
    'contiguous',
  ])('aten::%s takes or refuses any value with a typed error', (name) => {
    const call = ops(`aten::${name}`) as RawCall;
    for (const value of wrong) {
      for (const operands of [[value], [x, value], [[x], value], [[2], value], [x, x, value]]) {
        const error = errorOf(() => scope(() => call(...(operands as number[]))));
        if (error !== undefined) expect(error).toBeInstanceOf(TorchError);
      }
    }
  });
});

function errorOf(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('raw operators: what they write', () => {
  it('in place and out variants give the argument, with its new shape', () => {
    const [x, out] = [tensor([1, 2]), zeros([0])];
    expect(aten.add.out(x, 1, 1, out)).toBe(out);
    expect(out.shape).toEqual([2]);
    expect(aten.mul_.Tensor(x, 3)).toBe(x);
    expect(ops('aten::_foreach_add_.Scalar')([x], 1)).toBeUndefined();
    expect(x.toArray()).toEqual([4, 7]);
  });

  it('several outs are the arguments, and no handle is left', () => {
    const [x, sorted, places] = [tensor([3, 1, 2]), zeros([0]), zeros([0], { dtype: 'int64' })];
    const { liveTensors } = memory.stats();
    const results = aten.sort.values(x, { values: sorted, indices: places });
    expect(results[0]).toBe(sorted);
    expect(results[1]).toBe(places);
    expect(memory.stats().liveTensors).toBe(liveTensors);
    expect([sorted.toArray(), places.toArray()]).toEqual([
      [1, 2, 3],
      [1, 2, 0],
    ]);
  });

  it('views share memory', () => {
    const x = zeros([2, 3]);
    aten.fill_.Scalar(aten.transpose.int(x, 0, 1).at(2), 5);
    expect(x.toArray()).toEqual([
      [0, 0, 5],
      [0, 0, 5],
    ]);
  });
});

describe('raw operators: every dtype', () => {
  it.each(dtypes)('%s: sums, rank 0, no elements, strides', (dtype) => {
    const x = tensor(
      [
        [1, 0],
        [1, 1],
      ],
      { dtype },
    );
    const total = aten.add.Tensor(x, aten.t(x));
    expect(total.dtype).toBe(dtype);
    const real =
      dtype === 'bool'
        ? [
            [1, 1],
            [1, 1],
          ]
        : [
            [2, 1],
            [1, 2],
          ];
    expect(aten.real(total).toArray()).toEqual(real);
    expect(aten.t(x).strides).toEqual([1, 2]);
    expect(x.at(0, 0).toBytes()).toHaveLength(elementBytes(dtype));
    expect([aten.cat([zeros([0], { dtype }), zeros([0], { dtype })]).shape, zeros([0], { dtype }).numel]).toEqual([
      [0],
      0,
    ]);
  });

  it('a missing kernel is a DtypeError, and shapes that do not fit are a ShapeError', () => {
    expect(() => aten.linalg_inv(tensor([[1n]]))).toThrow(DtypeError);
    expect(() => aten.add.Tensor(zeros([2]), zeros([3]))).toThrow(ShapeError);
    expect(() => aten.promote_types('float99', 'int64')).toThrow(DtypeError);
    expect(() => aten.promote_types(100, 0)).toThrow(DtypeError);
  });
});
