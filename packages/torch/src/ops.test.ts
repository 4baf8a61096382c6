import { describe, expect, it } from 'vitest';
import { type RawOperator, type Tensor, TorchError, ones, operatorNames, ops, tensor } from './index.js';

const { aten } = ops;
describe('ops: names', () => {
  it('lead to one operator, by property as by full name', () => {
    const [a, b] = [tensor([1, 2]), tensor([10, 20])];
    expect(aten.add.Tensor(a, b, 2).toArray()).toEqual([21, 42]);
    expect(aten.add.Tensor).toBe(ops('aten::add.Tensor'));
    expect(aten.add).toBe(ops.aten.add);
    expect(aten.add.Tensor.schema).toBe('aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor');
  });

  it('of an operator alone call the overload default, or the only one', () => {
    const x = tensor([-1, 2]);
    expect(aten.relu(x).toArray()).toEqual([0, 2]);
    expect(aten.relu.default(x).toArray()).toEqual([0, 2]);
    expect(aten.relu.default).toBe(ops('aten::relu'));
    expect(aten.expand_as).toHaveProperty('default');
    expect(aten.linalg_matrix_power(tensor([[2]]), 3).toArray()).toEqual([[8]]);
    const add = aten.add as unknown as RawOperator;
    expect(() => add(x, x)).toThrow(/^ops: aten::add has the overloads .*Scalar.* Tensor.*; call one of these$/);
  });

  it('can be listed', () => {
    expect(operatorNames().length).toBeGreaterThan(2000);
    expect(Object.keys(ops)).toEqual(expect.arrayContaining(['aten', 'quantized']));
    expect(Object.keys(aten.add).sort()).toEqual(['Scalar', 'Scalar_out', 'Tensor', 'out']);
    expect(['aten' in ops, 'nonsense' in ops, 'relu' in aten, 'then' in aten]).toEqual([true, false, true, false]);
    expect(Object.keys(aten).length).toBeGreaterThan(1000);
  });

  it('that nobody has are an error with the nearest one', () => {
    const any = ops as unknown as Record<string, Record<string, Record<string, unknown>>>;
    expect(() => any['atten']).toThrow(/^ops: atten is not in this libtorch; did you mean aten\?$/);
    expect(() => any['aten']?.['sofmax']).toThrow(/^ops: aten::sofmax is not .*; did you mean aten::softmax\?$/);
    expect(() => any['aten']?.['add']?.['tensor']).toThrow(/^ops: aten::add\.tensor is not .* aten::add\.Tensor\?$/);
    expect(() => ops('aten::rellu')).toThrow(/^ops: aten::rellu is not .*; did you mean aten::relu\?$/);
    expect(() => ops('relu')).toThrow(TorchError);
    expect(() => ops('')).toThrow(TorchError);
  });

  it('are only read, and a promise may hold them', async () => {
    const any = aten as unknown as Record<string, unknown>;
    expect(() => (any['relu'] = 1)).toThrow(TypeError);
    expect(await Promise.resolve(aten)).toBe(aten);
  });

  it('of operators known to crash are refused unless asked for', () => {
    const x = ones([4]);
    expect(() => aten._chunk_cat([x, x], 0, 2)).toThrow(/^ops: aten::_chunk_cat may crash the process: .*allowUnsafe/);
    expect(aten._chunk_cat.default.schema).toMatch(/^aten::_chunk_cat\(Tensor\[\] tensors/);
    const unsafe = ops('aten::_chunk_cat', { allowUnsafe: true }) as RawOperator<Tensor>;
    expect(unsafe([x, x], 0, 2).toArray()).toEqual([
      [1, 1, 1, 1],
      [1, 1, 1, 1],
    ]);
  });
});

describe('ops: arguments by name', () => {
  const x = tensor([
    [1, 2],
    [3, 4],
  ]);

  it('are those of the schema, after positional ones', () => {
    expect(aten.sum.dim_IntList(x, [1], { keepdim: true, dtype: 'float64' }).toArray()).toEqual([[3], [7]]);
    expect(aten.add.Tensor({ other: x, self: 1, alpha: 10 }).toArray()).toEqual([
      [11, 21],
      [31, 41],
    ]);
    expect(aten.zeros([2], {}).shape).toEqual([2]);
  });

  it('are refused when unknown, given twice or missing', () => {
    expect(() => aten.sum.dim_IntList(x, [1], { keepDim: true })).toThrow(
      /^aten::sum\.dim_IntList: has no argument keepDim; did you mean keepdim of self dim keepdim dtype\?$/,
    );
    expect(() => aten.relu(x, { self: x })).toThrow(/^aten::relu: argument self is given twice$/);
    expect(() => aten.add.Tensor(x)).toThrow(/^add: argument other must be given/);
    expect(() => aten.relu(x, 1)).toThrow(/^aten::relu: takes at most 1 arguments, got 2$/);
    expect(() => aten.relu(x, 1)).toThrow(expect.objectContaining({ op: 'aten::relu' }));
  });
});
