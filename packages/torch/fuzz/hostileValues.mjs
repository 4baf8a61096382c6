// Arguments nobody should pass: for each type of a schema a few that fit, many at the edges, and some of another type.

import { generator, tensor, zeros } from '../dist/index.js';

/** A small generator of random numbers that gives the same calls for the same seed (mulberry32, public domain). */
export function seededRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const usualInts = [0, 1, -1, 2, 3, -2, 4];
const edgeInts = [
  5,
  7,
  -3,
  16,
  64,
  -100,
  127,
  1000,
  65536,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 53,
  -(2 ** 53),
  2 ** 60,
];
const notInts = [0.5, Number.NaN, Number.POSITIVE_INFINITY, -0];
// Where a Scalar is wanted: 64-bit integers and what is beyond them, complex numbers and what only looks like one.
const unusualScalars = [
  2n,
  -(2n ** 63n),
  2n ** 63n,
  2n ** 53n + 1n,
  { re: 0, im: 1 },
  { re: Number.NaN, im: -2.5 },
  { re: 1 },
];
const floats = [
  0,
  1,
  -1,
  0.5,
  1e-5,
  -0.1,
  3,
  1e30,
  -1e30,
  1e-320,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];
const shapes = [
  [],
  [1],
  [0],
  [3],
  [5],
  [2, 3],
  [3, 2],
  [3, 3],
  [1, 3],
  [2, 0, 3],
  [2, 3, 4],
  [1, 2, 4, 4],
  [2, 3, 5, 5],
  [2, 4, 3, 3, 3],
  [1, 1, 1, 1, 1, 1, 1, 2],
];
const dtypes = [
  'float32',
  'float32',
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
  'complex64',
  'complex128',
];
const strings = [
  '',
  'mean',
  'floor',
  'trunc',
  'valid',
  'same',
  'ij',
  'none',
  'tanh',
  'reflect',
  'constant',
  'ii->i',
  'ij,jk->ik',
  '...,->',
  'sum',
  'ortho',
  'linear',
  'x'.repeat(5000),
  'a\u0000b',
];
const contents = [
  (at) => at % 7,
  () => 0,
  (at) => -at,
  () => Number.NaN,
  () => 1e38,
  (at) => (at % 2 === 0 ? Number.POSITIVE_INFINITY : -1),
  (at) => at * 1e9,
];
const wrongTypes = [
  () => 'nonsense',
  () => ({}),
  () => [],
  () => null,
  () => 42,
  () => true,
  () => Symbol.iterator,
  () => 10n,
  () => new Float32Array(3),
  () => () => 1,
  () => new Date(0),
  () => [[1]],
];

/** Draws hostile values; `random` decides everything. */
export class HostileValues {
  constructor(random) {
    this.random = random;
    this.disposed = zeros([2]);
    this.disposed.dispose();
    this.generator = generator(1);
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  chance(probability) {
    return this.random() < probability;
  }

  /** A value for a parameter described by the dispatcher. */
  value(argument) {
    if (this.chance(0.03)) return this.pick(wrongTypes)();
    if ((argument.hasDefault || argument.isOptional) && this.chance(0.4)) return undefined;
    if (this.chance(0.01)) return this.pick([undefined, null]);
    return argument.isList ? this.list(argument) : this.single(argument);
  }

  list(argument) {
    const usual = argument.listLength > 0 ? argument.listLength : Math.floor(this.random() * 5);
    const length = this.chance(0.85) ? usual : this.pick([0, 1, 2, 7, 70, 10_000]);
    const isCalm = this.chance(0.7);
    if (argument.kind === 'Tensor' && this.chance(0.4)) return new Array(Math.min(length, 100)).fill(this.tensor());
    return Array.from({ length }, () =>
      isCalm && argument.kind === 'int' ? this.pick(usualInts) : this.single(argument),
    );
  }

  single({ kind, name }) {
    switch (kind) {
      case 'Tensor':
        return this.chance(0.05) ? this.pick([...floats, ...unusualScalars]) : this.tensor();
      case 'int':
        return this.chance(0.7) ? this.pick(usualInts) : this.chance(0.9) ? this.pick(edgeInts) : this.pick(notInts);
      case 'float':
        return this.pick(floats);
      case 'Scalar':
        return this.chance(0.5)
          ? this.pick(floats)
          : this.pick([...usualInts, ...edgeInts, true, false, ...unusualScalars]);
      case 'bool':
        return this.chance(0.97) ? this.chance(0.5) : 1;
      case 'str':
        return this.pick(strings);
      case 'ScalarType':
        return this.chance(0.95) ? this.pick(dtypes) : this.pick(['float8', 'toString', '__proto__', 7]);
      case 'Device':
        return this.chance(0.9) ? 'cpu' : this.pick(['cuda:0', 'cuda:-1', 'mps', 'cuda:999']);
      case 'MemoryFormat':
        return this.pick(['contiguous', 'preserve', 'channelsLast', 'channelsLast3d']);
      case 'Generator':
        return this.chance(0.9) ? this.generator : {};
      default:
        return name;
    }
  }

  tensor() {
    if (this.chance(0.01)) return this.disposed;
    const shape = this.pick(shapes);
    const count = shape.reduce((product, size) => product * size, 1);
    const content = this.chance(0.5) ? contents[0] : this.pick(contents);
    const made = tensor(
      Float64Array.from({ length: count }, (_, at) => content(at)),
      { shape, dtype: this.pick(dtypes) },
    );
    const kind = this.random();
    if (kind < 0.1 && shape.length >= 2) return made.transpose(0, 1);
    if (kind < 0.15 && shape.length >= 1) return made.unsqueeze(0).expand([3, ...shape]);
    if (kind < 0.2 && shape.length >= 1 && shape[0] > 1) return made.slice(0, 1);
    const isDifferentiable = /^(float|bfloat|complex)/.test(made.dtype);
    return isDifferentiable && kind > 0.7 ? made.requiresGrad_() : made;
  }
}
