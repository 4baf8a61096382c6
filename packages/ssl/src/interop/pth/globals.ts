/**
 * The globals that may stand in a file of PyTorch's, and what a call of each means. A global outside of these tables is refused by
 * its name; none is ever looked up or run.
 */
import type { DType } from '@halfway/torch';
import type { Fail } from './fail.js';
import { PickledGlobal, PickledStorage, PickledTensor, type PickledValue } from './values.js';

/** Storage classes, and the dtype of their elements. */
export const STORAGE_DTYPES: ReadonlyMap<string, DType> = new Map([
  ['torch.DoubleStorage', 'float64'],
  ['torch.FloatStorage', 'float32'],
  ['torch.HalfStorage', 'float16'],
  ['torch.BFloat16Storage', 'bfloat16'],
  ['torch.LongStorage', 'int64'],
  ['torch.IntStorage', 'int32'],
  ['torch.ShortStorage', 'int16'],
  ['torch.CharStorage', 'int8'],
  ['torch.ByteStorage', 'uint8'],
  ['torch.BoolStorage', 'bool'],
  ['torch.ComplexFloatStorage', 'complex64'],
  ['torch.ComplexDoubleStorage', 'complex128'],
]);

type Constructor = (args: readonly PickledValue[], fail: Fail) => PickledValue;

/** Functions whose result is a tensor or a plain container. */
export const CONSTRUCTORS: ReadonlyMap<string, Constructor> = new Map<string, Constructor>([
  // (factory), and its items afterwards
  ['collections.defaultdict', () => new Map()],
  ['collections.Counter', ([counts]) => (counts instanceof Map ? counts : new Map())],
  ['collections.OrderedDict', ([pairs = []], fail) => orderedDict(pairs, fail)],
  ['torch.Size', ([sizes], fail) => wholeNumbers(sizes, fail)],
  // (storage, offset, size, stride, requires_grad, backward_hooks, metadata)
  ['torch._utils._rebuild_tensor_v2', tensor],
  // (storage, offset, size, stride): PyTorch before 0.4
  ['torch._utils._rebuild_tensor', tensor],
  // (data, requires_grad, backward_hooks)
  ['torch._utils._rebuild_parameter', ([data], fail) => parameter(data, fail)],
  // (data, requires_grad, backward_hooks, state)
  ['torch._utils._rebuild_parameter_with_state', ([data], fail) => parameter(data, fail)],
]);

/**
 * Classes and functions of objects that stand beside the tensors in official checkpoints, such as `args` in DINO's and iBOT's: such
 * an object is left out and reported by this name.
 */
export const SKIPPED: ReadonlySet<string> = new Set([
  'argparse.Namespace',
  'numpy.core.multiarray.scalar',
  'numpy._core.multiarray.scalar',
  'numpy.dtype',
  '_codecs.encode', // how protocol 2 writes bytes, a NumPy scalar's for example
  'torch.device',
  ...['float16', 'bfloat16', 'float32', 'float64', 'int64'].map((dtype) => `torch.${dtype}`),
  ...['__builtin__', 'builtins'].flatMap((module) =>
    ['set', 'frozenset', 'complex', 'list', 'dict', 'int', 'float'].map((type) => `${module}.${type}`),
  ),
  ...['PosixPath', 'PurePosixPath'].map((type) => `pathlib.${type}`),
]);

// libtorch's own limit.
const MAX_RANK = 64;

/** What a persistent id stands for: ('storage', class, key, device, number of elements). Nothing else is ever one. */
export function storageOf(id: PickledValue, fail: Fail): PickledStorage {
  const [kind, type, key, , numel, view = null] = Array.isArray(id) ? id : [];
  const dtype = type instanceof PickledGlobal ? STORAGE_DTYPES.get(type.name) : undefined;
  if (kind !== 'storage' || dtype === undefined || typeof key !== 'string' || !isSize(numel) || view !== null) {
    return fail('a persistent id must name a storage of a known class, got another; the file is damaged');
  }
  return new PickledStorage(key, dtype, numel);
}

function tensor(args: readonly PickledValue[], fail: Fail): PickledTensor {
  const [storage, offset, size, stride, , , metadata] = args;
  if (!(storage instanceof PickledStorage)) return fail('a tensor must be a view of a storage, got none');
  if (!isSize(offset)) return fail("a tensor's offset must be a whole number from 0, got another value");
  // Flags such as `conj`: the elements would be others than those of the storage.
  if (metadata instanceof Map && metadata.size > 0) {
    return fail('a tensor must be without flags such as conj, got some; resolve them in PyTorch first');
  }
  const [shape, strides] = [wholeNumbers(size, fail), wholeNumbers(stride, fail)];
  const last = shape.reduce((position, length, dim) => position + (length - 1) * (strides[dim] ?? NaN), offset);
  const fits = shape.includes(0) || last < storage.numel;
  const isRepresentable = shape.reduce((numel, length) => numel * Math.max(1, length), 1) <= Number.MAX_SAFE_INTEGER;
  if (shape.length !== strides.length || shape.length > MAX_RANK || !fits || !isRepresentable) {
    const described = `[${shape.join(', ')}] with strides [${strides.join(', ')}] from ${offset}`;
    return fail(`a tensor must lie within its storage of ${storage.numel} elements, got ${described}`);
  }
  return new PickledTensor(storage, offset, shape, strides);
}

function parameter(data: PickledValue | undefined, fail: Fail): PickledTensor {
  return data instanceof PickledTensor ? data : fail('a parameter must hold a tensor, got another value');
}

function orderedDict(pairs: PickledValue, fail: Fail): Map<PickledValue, PickledValue> {
  if (!Array.isArray(pairs)) return fail('an OrderedDict must be made of pairs, got another value');
  return new Map(
    pairs.map((pair): [PickledValue, PickledValue] => {
      const [key, value] = Array.isArray(pair) ? pair : [];
      if (key === undefined || value === undefined)
        return fail('an OrderedDict must be made of pairs, got another value');
      return [key, value];
    }),
  );
}

function wholeNumbers(value: PickledValue | undefined, fail: Fail): number[] {
  if (Array.isArray(value) && value.every(isSize)) return value;
  return fail('sizes and strides must be whole numbers from 0, got others');
}

function isSize(value: PickledValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
