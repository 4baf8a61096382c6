// Arguments nobody should pass: for each type of a schema a few that fit, many at the edges, and some of another type.

import { generator, inferenceMode, tensor, zeros } from '../dist/index.js';

const usualInts = [0, 1, -1, 2, 3, -2, 4];
const edgeInts = [
  ...[5, 7, -3, 16, 64, -100, 127, 1000, 65536],
  ...[2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53, -(2 ** 53), 2 ** 60],
];
const notInts = [0.5, Number.NaN, Number.POSITIVE_INFINITY, -0];
// Where a Scalar is wanted: 64-bit integers and what is beyond them, complex numbers and what only looks like one.
const unusualScalars = [
  ...[2n, -(2n ** 63n), 2n ** 63n, 2n ** 53n + 1n],
  ...[{ re: 0, im: 1 }, { re: Number.NaN, im: -2.5 }, { re: 1 }],
];
const floats = [
  ...[0, 1, -1, 0.5, 1e-5, -0.1, 3, 1e30, -1e30, 1e-320],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
];
const shapes = [
  ...[[], [1], [0], [3], [5], [2, 3], [3, 2], [3, 3], [1, 3], [2, 0, 3]],
  ...[
    [2, 3, 4],
    [1, 2, 4, 4],
    [2, 3, 5, 5],
    [2, 4, 3, 3, 3],
    [1, 1, 1, 1, 1, 1, 1, 2],
  ],
];
const dtypes = [
  ...['float32', 'float32', 'float32', 'float64', 'float16', 'bfloat16', 'complex64', 'complex128'],
  ...['int64', 'int32', 'int16', 'int8', 'uint8', 'bool'],
];
const strings = [
  ...['', 'mean', 'floor', 'trunc', 'valid', 'same', 'ij', 'none', 'tanh', 'reflect', 'constant', 'sum', 'ortho'],
  ...['linear', 'ii->i', 'ij,jk->ik', '...,->', 'x'.repeat(5000), 'a\u0000b'],
];
// Integer arguments that typed operators take by name and raw ones as a number.
const choices = {
  reduction: ['none', 'mean', 'sum', 0, 1, 2, 3],
  interpolation_mode: ['bilinear', 'nearest', 'bicubic', 0, 1, 2, 3],
  padding_mode: ['zeros', 'border', 'reflection', 0, 1, 2, 3],
};
const contents = [
  (at) => at % 7,
  () => 0,
  (at) => -at,
  () => Number.NaN,
  () => 1e38,
  (at) => (at % 2 === 0 ? Number.POSITIVE_INFINITY : -1),
  (at) => at * 1e9,
  // The lowest integers, which have no positive counterpart.
  (at) => (at % 2 === 0 ? -(2 ** 31) : -1),
  (at) => (at % 2 === 0 ? -(2 ** 63) : -1),
];
const wrongTypes = [
  ...[() => 'nonsense', () => ({}), () => [], () => null, () => 42, () => true, () => Symbol.iterator, () => 10n],
  ...[() => new Float32Array(3), () => () => 1, () => new Date(0), () => [[1]]],
  meddling,
];

/** A complex number that calls operators while it is read. */
function meddling() {
  const part = { enumerable: true, get: () => zeros([2]).add(1).shape[0] };
  return Object.defineProperties({}, { re: part, im: part });
}

/** Draws the hostile values of one call; `random` decides everything. */
export class HostileValues {
  #drawn = [];
  #likeness;

  /** @param {import('./random.mjs').Random} random */
  constructor(random) {
    this.random = random;
    // In half of the calls tensors are alike and numbers small, as most operators want it, but for one value in fifteen.
    this.#likeness = random.chance(0.5) ? { shape: random.pick(shapes), dtype: random.pick(dtypes) } : undefined;
  }

  /** Whether the next value is to be an odd one, which it is with the given probability in a wild call. */
  #isOdd(probability) {
    return this.random.chance(this.#likeness === undefined ? probability : probability / 15);
  }

  /** Whether one of the values is a tensor that was disposed. */
  hasDisposed = false;

  /** A value for a parameter described by the dispatcher. */
  value(argument) {
    const { random } = this;
    if (this.#isOdd(0.03)) return random.pick(wrongTypes)();
    if ((argument.hasDefault || argument.isOptional) && random.chance(0.4)) return undefined;
    if (this.#isOdd(0.01)) return random.pick([undefined, null]);
    return argument.isList ? this.#list(argument) : this.#single(argument);
  }

  #list(argument) {
    const { random } = this;
    const usual = argument.listLength > 0 ? argument.listLength : random.below(5);
    const length = this.#isOdd(0.15) ? random.pick([0, 1, 2, 7, 70, 10_000]) : usual;
    const isCalm = random.chance(0.7);
    if (argument.kind === 'Tensor' && length > 0 && random.chance(0.4)) {
      return new Array(Math.min(length, 100)).fill(this.tensor());
    }
    return Array.from({ length }, () =>
      isCalm && argument.kind === 'int' ? random.pick(usualInts) : this.#single(argument),
    );
  }

  #single({ kind, name }) {
    const { random } = this;
    if (kind === 'int' && name in choices && random.chance(0.9)) return random.pick(choices[name]);
    switch (kind) {
      case 'Tensor':
        return this.#isOdd(0.05) ? random.pick([...floats, ...unusualScalars]) : this.tensor();
      case 'int':
        return random.pick(this.#isOdd(0.3) ? (random.chance(0.9) ? edgeInts : notInts) : usualInts);
      case 'float':
        return random.pick(floats);
      case 'Scalar':
        return random.chance(0.5)
          ? random.pick(floats)
          : random.pick([...usualInts, ...edgeInts, true, false, ...unusualScalars]);
      case 'bool':
        return this.#isOdd(0.03) ? 1 : random.chance(0.5);
      case 'str':
        return random.pick(strings);
      case 'ScalarType':
        return random.pick(this.#isOdd(0.05) ? ['float8', 'toString', '__proto__', 7] : dtypes);
      case 'Device':
        return this.#isOdd(0.1) ? random.pick(['cuda:0', 'cuda:-1', 'mps', 'cuda:999']) : 'cpu';
      case 'Layout':
        return this.#isOdd(0.1) ? 'sparse' : 'strided';
      case 'MemoryFormat':
        return random.pick(['contiguous', 'preserve', 'channelsLast', 'channelsLast3d']);
      case 'Generator':
        return this.#isOdd(0.1) ? {} : generator(1);
      case 'Index':
        return this.#index();
      case 'Bytes':
        return Uint8Array.from({ length: random.pick([0, 1, 8, 24, 5056]) }, () => random.below(256));
      default:
        return name;
    }
  }

  /** An index of Tensor.at. */
  #index() {
    const { random } = this;
    const int = () => random.pick(this.#isOdd(0.3) ? edgeInts : usualInts);
    return random.pick([
      ...[int, () => ':', () => '...', () => null, () => random.chance(0.5)],
      ...[() => this.tensor(), () => [int(), int()], () => [[random.chance(0.5)]], () => [':', int()]],
      () => ({ start: int(), end: random.pick([undefined, int()]), step: random.pick([undefined, int()]) }),
    ])();
  }

  /** A tensor of any shape, dtype and content: a view, an alias of another operand, a leaf or a computed one, of inference, or disposed. */
  tensor() {
    const { random } = this;
    if (random.chance(0.01)) return this.#disposed();
    if (this.#drawn.length > 0 && random.chance(0.1)) return random.pick(this.#drawn);
    const { shape, dtype } =
      this.#likeness === undefined || this.#isOdd(1)
        ? { shape: random.pick(shapes), dtype: random.pick(dtypes) }
        : this.#likeness;
    const content = random.chance(0.5) ? contents[0] : random.pick(contents);
    const count = shape.reduce((product, size) => product * size, 1);
    const make = () =>
      tensor(
        Float64Array.from({ length: count }, (_, at) => content(at)),
        { shape, dtype },
      );
    const made = this.#isOdd(0.05) ? inferenceMode(make) : this.#variant(make());
    this.#drawn.push(made);
    return made;
  }

  #variant(made) {
    const { random } = this;
    const { shape } = made;
    const kind = this.#likeness === undefined ? random.fraction() : 0.3 + 0.7 * random.fraction();
    if (kind < 0.1 && shape.length >= 2) return made.transpose(0, 1);
    if (kind < 0.15 && shape.length >= 1) return made.unsqueeze(0).expand([3, ...shape]);
    if (kind < 0.2 && shape.length >= 1 && shape[0] > 1) return made.slice(0, 1);
    if (kind < 0.7 || !/^(float|bfloat|complex)/.test(made.dtype)) return made;
    const leaf = made.requiresGrad_();
    return kind < 0.85 ? leaf : leaf.mul(1);
  }

  #disposed() {
    this.hasDisposed = true;
    const ended = zeros([2]);
    ended.dispose();
    return ended;
  }
}
