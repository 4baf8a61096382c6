import { describe, expect, it } from 'vitest';
import {
  type DType,
  DeviceError,
  DtypeError,
  ShapeError,
  TensorDisposedError,
  TorchError,
  arange,
  dtypes,
  empty,
  eye,
  fromBytes,
  full,
  randint,
  tensor,
  where,
  zeros,
} from './index.js';

describe('tensor: from values and back', () => {
  it('numbers become float32 in the shape of the nested arrays', () => {
    const made = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(made.shape).toEqual([2, 3]);
    expect(made.dtype).toBe('float32');
    expect(made.device).toBe('cpu');
    expect(made.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  it.each([
    [new Float32Array([1.5, -2]), 'float32'],
    [new Float64Array([1.5, -2]), 'float64'],
    [new BigInt64Array([1n << 60n, -2n]), 'int64'],
    [new Int32Array([7, -2]), 'int32'],
    [new Int16Array([7, -2]), 'int16'],
    [new Int8Array([7, -2]), 'int8'],
    [new Uint8Array([7, 255]), 'uint8'],
  ] as const)('a typed array keeps its elements and dtype: %o', (data, dtype) => {
    const made = tensor(data);
    expect(made.dtype).toBe(dtype);
    expect(made.toTypedArray()).toEqual(data);
  });

  it.each(dtypes)('raw bytes of %s come back unchanged', (dtype: DType) => {
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => (dtype === 'bool' ? i % 2 : (i * 37) % 120));
    const bytesEach = fromBytes(new Uint8Array(0), [0], dtype).to(dtype).toBytes().length;
    expect(bytesEach).toBe(0);
    const count = { complex128: 4, complex64: 8, float64: 8, int64: 8, float32: 16, int32: 16 }[dtype as string] ?? 32;
    const each = { float16: 2, bfloat16: 2, int16: 2, int8: 1, uint8: 1, bool: 1 }[dtype as string] ?? 64 / count;
    const part = bytes.subarray(0, count * each);
    expect(fromBytes(part, [count / 4, 4], dtype).toBytes()).toEqual(part);
  });

  it('bfloat16 is read as float32, rounded to 8 bits', () => {
    expect(tensor([1, 1.00390625, 3.14159], { dtype: 'bfloat16' }).toTypedArray()).toEqual(
      new Float32Array([1, 1, 3.140625]),
    );
  });

  it('a rank-0 tensor and an empty tensor are tensors', () => {
    expect(tensor(2.5).shape).toEqual([]);
    expect(tensor(2.5).item()).toBe(2.5);
    expect(tensor(2.5).toArray()).toBe(2.5);
    const none = tensor([[], []]);
    expect([none.shape, none.numel, none.toArray(), none.sum().item()]).toEqual([[2, 0], 0, [[], []], 0]);
  });

  it('integers beyond 2^53 are a RangeError as numbers, and exact as bigint', () => {
    const value = (1n << 53n) + 1n;
    const large = tensor(new BigInt64Array([value]));
    expect(() => large.item()).toThrow(RangeError);
    expect(() => large.toArray()).toThrow(RangeError);
    expect(() => large.item('complex')).toThrow(RangeError);
    expect(large.item('bigint')).toBe(value);
    expect(large.toArray('bigint')).toEqual([value]);
    expect(large.toTypedArray()).toEqual(new BigInt64Array([value]));
  });

  it.each(dtypes)('elements of %s are read as what they can be', (dtype) => {
    const isComplex = dtype.startsWith('complex');
    const isInteger = dtype === 'bool' || dtype.includes('int');
    const x = tensor([[1], [0]], { dtype });
    const read = {
      number: !isComplex && [[1], [0]],
      bigint: isInteger && [[1n], [0n]],
      boolean: dtype === 'bool' && [[true], [false]],
      complex: [[{ re: 1, im: 0 }], [{ re: 0, im: 0 }]],
    };
    for (const kind of ['number', 'bigint', 'boolean', 'complex'] as const) {
      const expected = read[kind];
      if (expected === false) {
        expect(() => x.toArray(kind)).toThrow(DtypeError);
        expect(() => x.at(0, 0).item(kind)).toThrow(new RegExp(`^item: an element of ${dtype} is no ${kind}`));
      } else {
        expect(x.toArray(kind)).toEqual(expected);
        expect(x.at(0, 0).item(kind)).toEqual(expected[0]?.[0]);
      }
    }
  });

  it('booleans, bigints and complex numbers have a dtype of their own', () => {
    expect([tensor([true, false]).dtype, tensor([[1n]]).dtype, tensor({ re: 1, im: 2 }).dtype]).toEqual([
      'bool',
      'int64',
      'complex64',
    ]);
    expect(tensor([true, 2]).toArray()).toEqual([1, 2]);
    expect(tensor([2n ** 63n - 1n, -(2n ** 63n), 3, true]).toArray('bigint')).toEqual([
      2n ** 63n - 1n,
      -(2n ** 63n),
      3n,
      1n,
    ]);
    const z = tensor([{ re: 0.1, im: -1 }, 2], { dtype: 'complex128' });
    expect(z.toArray('complex')).toEqual([
      { re: 0.1, im: -1 },
      { re: 2, im: 0 },
    ]);
    expect(tensor([true], { dtype: 'float64' }).item()).toBe(1);
    expect(full([1], { re: 1, im: 2 }).item('complex')).toEqual({ re: 1, im: 2 });
    expect([full([1], true).dtype, full([1], 2n ** 60n).item('bigint')]).toEqual(['bool', 2n ** 60n]);
  });

  it('values that do not mix are refused', () => {
    expect(() => tensor([1n, 0.5])).toThrow(/^tensor: beside a bigint stand integers of 64 bits, got 0.5$/);
    expect(() => tensor(2n ** 63n)).toThrow(DtypeError);
    expect(() => tensor([{ re: 0, im: 1 }, 1n])).toThrow(/^tensor: beside a complex number stand numbers, got 1n$/);
    expect(() => tensor([{} as never])).toThrow(/got an object in dimension 1$/);
    expect(() => tensor(new Float32Array(2).map(Number).buffer as never)).toThrow(ShapeError);
    expect(() => tensor(new Uint16Array(2) as never)).toThrow(DtypeError);
  });

  it('a typed array is copied: one that is detached or changed later does not matter', () => {
    const data = new Float32Array([1, 2, 3]);
    const made = tensor(data.subarray(1));
    data.fill(9);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    expect(data.length).toBe(0);
    expect(made.toArray()).toEqual([2, 3]);
    expect(() => tensor(data)).toThrow(TypeError);
    const shared = new Float32Array(new SharedArrayBuffer(8));
    expect(tensor(shared).toArray()).toEqual([0, 0]);
    const out = made.toTypedArray();
    made.fill_(0);
    expect(out).toEqual(new Float32Array([2, 3]));
  });

  it('JSON has the nested arrays, from which tensor makes an equal one', () => {
    const x = tensor([[1.5, Number.NaN]]);
    expect(JSON.stringify({ x })).toBe('{"x":[[1.5,null]]}');
    expect(JSON.stringify([tensor(2n), tensor([true]), tensor({ re: 1, im: 2 })])).toBe('[2,[true],{"re":1,"im":2}]');
    expect(() => JSON.stringify(tensor(2n ** 60n))).toThrow(RangeError);
  });

  it('whole numbers keep their value on the way to int64', () => {
    expect(tensor([2 ** 40 + 1], { dtype: 'int64' }).item()).toBe(2 ** 40 + 1);
  });

  it('complex numbers have no typed array, but views as pairs of numbers', () => {
    const complex = tensor([[3, 4]]).viewAsComplex();
    expect(complex.dtype).toBe('complex64');
    expect(complex.abs().item()).toBe(5);
    expect(() => complex.toTypedArray()).toThrow(DtypeError);
    expect(complex.viewAsReal().toArray()).toEqual([[3, 4]]);
    expect(complex.toArray('complex')).toEqual([{ re: 3, im: 4 }]);
  });

  it('wrong shapes are refused with both values', () => {
    expect(() => tensor([[1, 2], [3]])).toThrow(ShapeError);
    expect(() => tensor([[1, 2], [3]])).toThrow(/shape \[2, 2\].*got 1 entries in dimension 1/);
    expect(() => tensor(new Float32Array(5), { shape: [2, 3] })).toThrow(/\[2, 3\] has 24 bytes, got 20/);
    expect(() => fromBytes(new Uint8Array(3), [-1], 'uint8')).toThrow(ShapeError);
  });

  it('full is float32 also for a whole number', () => {
    expect(full([2], 1).dtype).toBe('float32');
    expect(full([2], 1, { dtype: 'int64' }).toTypedArray()).toEqual(new BigInt64Array([1n, 1n]));
  });

  it('options are found after any number of positional arguments', () => {
    const dtype = 'float32';
    expect(arange(3, { dtype }).dtype).toBe(dtype);
    expect(arange(1, 3, { dtype }).toArray()).toEqual([1, 2]);
    expect(arange(0, 1, 0.5, { dtype }).toArray()).toEqual([0, 0.5]);
    expect(eye(2, { dtype: 'int64' }).dtype).toBe('int64');
    expect(randint(4, [2], { dtype }).dtype).toBe(dtype);
    expect(randint(3, 4, [2], { dtype }).toArray()).toEqual([3, 3]);
  });
});

describe('tensor: cached description', () => {
  it('an operator that changes the shape in place refreshes every handle of the tensor', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const same = x.contiguous();
    expect(x.t_()).toBe(x);
    expect(x.shape).toEqual([3, 2]);
    expect(same.shape).toEqual([3, 2]);
    expect(x.strides).toEqual([1, 3]);
    expect(x.isContiguous).toBe(false);
    x.resize_([7]);
    expect(same.shape).toEqual([7]);
  });

  it('resize_ keeps the other tensors as they are', () => {
    const [x, y] = [zeros([2]), zeros([3])];
    x.resize_([5]);
    expect(y.shape).toEqual([3]);
  });
});

describe('tensor: conversion', () => {
  it('to changes dtype, and order in memory', () => {
    const x = tensor([1.7, -2]);
    expect(x.to('int64').toTypedArray()).toEqual(new BigInt64Array([1n, -2n]));
    expect(x.to({ dtype: 'float64', copy: true }).dtype).toBe('float64');
    expect(zeros([1, 2, 3, 4]).to({ memoryFormat: 'channelsLast' }).strides).toEqual([24, 1, 8, 2]);
  });

  it('a number operand does not raise the dtype', () => {
    expect(tensor([1], { dtype: 'bfloat16' }).mul(0.5).dtype).toBe('bfloat16');
    expect(tensor([1], { dtype: 'int64' }).add(1).dtype).toBe('int64');
    expect(tensor([1], { dtype: 'int64' }).add(0.5).dtype).toBe('float32');
    expect(where(tensor([1, 0]).gt(0), tensor([5, 6]), -1).toArray()).toEqual([5, -1]);
  });
});

describe('errors', () => {
  const x = zeros([2, 3]);

  it('name the operator, the rule and the shapes', () => {
    expect(() => x.add(zeros([4]))).toThrow(ShapeError);
    expect(() => x.add(zeros([4]))).toThrow(/^add: .*must match.*\(self: float32 \[2, 3\], other: float32 \[4\]\)$/);
    const error: unknown = catchError(() => x.matmul(x));
    expect(error).toBeInstanceOf(ShapeError);
    expect(error).toMatchObject({ op: 'aten::matmul', name: 'ShapeError' });
    expect(String(error)).not.toMatch(/\.cpp|frame #|\n/);
  });

  it('have a class for dtypes, devices and disposed tensors', () => {
    expect(() => eye(2).to('int64').linalgInv()).toThrow(DtypeError);
    expect(() => x.to('float8' as DType)).toThrow(/dtype: must be one of uint8/);
    expect(() => x.to({ device: 'cuda:99' })).toThrow(DeviceError);
    expect(() => zeros([1], { device: 'tpu' as 'cpu' })).toThrow(/device: must be cpu or cuda:<index>, got tpu/);
    const gone = zeros([2]);
    gone.dispose();
    gone.dispose();
    expect(gone.isDisposed).toBe(true);
    expect(() => gone.add(1)).toThrow(TensorDisposedError);
    expect(() => x.add(gone)).toThrow(TensorDisposedError);
    expect(() => gone.item()).toThrow(/^item: a tensor is used after it was disposed/);
    expect(String(gone)).toBe('Tensor(disposed)');
  });

  it('typed operators take any scalar where the schema has one, and choose the overload by it', () => {
    const i = { re: 0, im: 1 };
    expect(tensor([1, 2]).mul(i).toArray('complex')).toEqual([i, { re: 0, im: 2 }]);
    expect(tensor([i]).eq(i).toArray('boolean')).toEqual([true]); // eq.Scalar
    expect(tensor([i]).pow(2n).at(0).item('complex').re).toBeCloseTo(-1, 6); // pow.Tensor_Scalar
    expect(
      tensor([2n ** 60n])
        .clamp(0n, 2n ** 53n + 1n)
        .toArray('bigint'),
    ).toEqual([2n ** 53n + 1n]);
  });

  it('arguments are checked against the schema', () => {
    const wrong = (value: unknown) => value as never;
    expect(() => x.add(wrong('1'))).toThrow(/must be a tensor or a number, got "1"/);
    expect(() => x.sum(wrong('1'))).toThrow(/must be a list of numbers/);
    expect(() => x.transpose(0, wrong(undefined))).toThrow(/argument dim1 must be given/);
    expect(() => x.transpose(0, 0.5)).toThrow(/dim1 must be a whole number within 2\^53, got 0.5/);
    expect(() => x.sum([0], wrong(1))).toThrow(/argument keepdim must be a boolean/);
    expect(() => x.mseLoss(x, wrong('average'))).toThrow(/one of none mean sum, got "average"/);
    expect(() => x.view(new Array<number>(200).fill(1))).toThrow(/size must have at most 128 entries, got 200/);
    expect(() => x.histc(wrong(null))).toThrow(TorchError);
    expect(() => empty([2], { dtype: wrong(7) })).toThrow(DtypeError);
  });
});

function catchError(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  return undefined;
}
