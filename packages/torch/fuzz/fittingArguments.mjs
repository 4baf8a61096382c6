// Arguments that fit, for operators that random ones never do: by operator (with its overload where these differ), from a FittingValues
// to values by the schema's names. Arguments left out take their default. A key without a final underscore serves the in-place operator too.

import { fittingLayers } from './fittingLayers.mjs';
import { fittingMatrices } from './fittingMatrices.mjs';

/** One shape for all of these arguments. */
const alike =
  (...names) =>
  (draw) => {
    const shape = draw.anySizes();
    return Object.fromEntries(names.map((name) => [name, draw.floats(shape)]));
  };

const loss =
  (...names) =>
  (draw) => ({ ...alike(...names)(draw), reduction: draw.pick(['none', 'mean', 'sum']) });

const integers = (draw) => {
  const shape = draw.anySizes();
  return { self: draw.ints(shape, 8), other: draw.ints(shape, 8) };
};

/** A tensor, a dimension, and positions in that dimension: as many as `count`, or a tensor of them. */
function alongDimension(draw, count) {
  const shape = draw.anySizes(3);
  const dim = draw.dimOf(shape);
  const size = shape.at(dim);
  const sourceShape = shape.with(dim, count);
  return { shape, dim, sourceShape, self: draw.floats(shape), index: draw.ints([count], size) };
}

const indexedRows = (draw) => {
  const { self, dim, index, sourceShape } = alongDimension(draw, draw.int(1, 4));
  return { self, dim, index, source: draw.floats(sourceShape), value: draw.pick([0, -1.5]), alpha: draw.maybe(2) };
};

// index_copy_ wants a position of one element or one for each row.
const scattered = (draw) => {
  const { self, dim, shape } = alongDimension(draw, 1);
  const index = draw.ints(shape, shape.at(dim));
  const reduce = draw.pick(['sum', 'prod', 'mean', 'amax', 'amin']);
  const source = draw.floats(shape);
  return { self, dim, index, src: source, source, value: draw.pick([0, 2.5]), indices: index, reduce };
};

const masked = (draw) => {
  const shape = draw.anySizes();
  const value = draw.floats([]).detach();
  return { self: draw.floats(shape), mask: draw.bools(shape), value: draw.pick([value, value, 1]) };
};

const indexed = (draw) => {
  const [a, b, c] = draw.sizes(3);
  const positions = draw.pick([[2], [2, 3]]);
  const byRows = [draw.ints(positions, a), draw.pick([undefined, draw.ints(positions, b)])];
  const byMask = [undefined, draw.bools([b])];
  const self = draw.floats([a, b, c]);
  const indices = draw.pick([byRows, byMask]);
  return { self, indices, values: draw.floats([1]), accumulate: draw.chance(0.5) };
};

/** A signal that a Fourier transform of its last dimensions takes. */
const signal = (draw) => ({ self: draw.floats(draw.sizes(draw.int(2, 3))), norm: draw.pick(['ortho', 'forward']) });

const upTo3 = (draw) => {
  const shape = draw.anySizes(3);
  const order = shape.map((_, at) => at).sort(() => draw.random.fraction() - 0.5);
  const count = shape.reduce((product, size) => product * size, 1);
  return { shape, self: draw.floats(shape), dim: draw.dimOf(shape), order, count };
};

const reordered = (draw) => {
  const { self, order } = upTo3(draw);
  return { self, dims: order, source: order.map((_, at) => at), destination: order };
};

const resized = (draw) => {
  const { self, count } = upTo3(draw);
  return { self, size: draw.pick([[count], [-1], [1, count], [count, 1, 1]]), shape: [-1] };
};

const widened = (draw) => {
  const shape = draw.anySizes(3);
  return { self: draw.floats(shape), size: [draw.int(1, 3), ...shape] };
};

const pointwise3 = (draw) => ({ ...alike('self', 'tensor1', 'tensor2', 'end', 'weight')(draw), value: draw.int(0, 2) });

const lerpedByNumber = (draw) => ({ ...alike('self', 'end')(draw), weight: draw.random.fraction() });

/** One dimension, and a place in its sorted rows. */
const alongOne = (draw) => {
  const { self, dim, shape } = upTo3(draw);
  const keepdim = draw.chance(0.5);
  return { self, dim, k: draw.int(1, shape.at(dim)), keepdim, n: 1 };
};

/** A list of one dimension, and what a norm or a statistic of it takes. */
const alongSome = (draw) => {
  const { dim, ...call } = alongOne(draw);
  return { ...call, dim: [dim], ord: draw.pick([0, 1, 2, Infinity]), p: draw.pick([1, 2]), correction: draw.int(0, 1) };
};

/** The lower or the upper triangle of a matrix. */
const triangle = (draw) => ({ row: draw.int(0, 4), col: draw.int(0, 4), offset: draw.int(-2, 2) });

const steps = (draw) => ({ start: draw.int(-3, 3), end: draw.int(4, 9), step: draw.pick([1, 0.5, 2]) });

const inPlaceRandom = (draw) => ({ self: draw.floats(draw.anySizes()).detach(), from: -1, to: 2, lambd: 1.5 });

const lists = (draw) => {
  const shapes = [draw.anySizes(), draw.anySizes()];
  const list = () => shapes.map((shape) => draw.floats(shape));
  return { self: list(), other: list(), alpha: draw.maybe(2), ord: draw.pick([1, 2, Number.POSITIVE_INFINITY]) };
};

/** @type {Record<string, (draw: import('./fittingValues.mjs').FittingValues) => Record<string, unknown>>} */
export const fittingArguments = {
  ...fittingLayers,
  ...fittingMatrices,

  // pointwise
  div: (draw) => ({ ...alike('self', 'other')(draw), rounding_mode: draw.pick(['floor', 'trunc', undefined]) }),
  bitwise_and: integers,
  bitwise_or: integers,
  bitwise_xor: integers,
  bitwise_left_shift: integers,
  bitwise_right_shift: integers,
  addcmul: pointwise3,
  addcdiv: pointwise3,
  'lerp.Tensor': pointwise3,
  'lerp_.Tensor': pointwise3,
  'lerp.Scalar': lerpedByNumber,
  'lerp_.Scalar': lerpedByNumber,
  floor_divide: alike('self', 'other'),
  isclose: alike('self', 'other'),
  'where.self': (draw) => {
    const shape = draw.anySizes();
    return { condition: draw.bools(shape), self: draw.floats(shape), other: draw.floats(shape) };
  },
  imag: (draw) => ({ self: draw.floats(draw.sizes(2)).to('complex64') }),
  view_as_real: (draw) => ({ self: draw.floats(draw.sizes(2)).to('complex64') }),
  view_as_complex: (draw) => ({ self: draw.floats([draw.int(1, 4), 2]).contiguous() }),
  '_foreach_add.List': lists,
  '_foreach_mul.List': lists,
  '_foreach_norm.Scalar': lists,
  fill: (draw) => ({ self: draw.floats(draw.anySizes()), value: draw.floats([]).detach() }),

  // reductions and counts
  'quantile.scalar': (draw) => ({ ...upTo3(draw), q: draw.random.fraction() }),
  quantile: (draw) => ({ ...upTo3(draw), q: draw.floats([2], { low: 0, high: 1 }).detach() }),
  histc: (draw) => ({ self: draw.floats(draw.sizes(1)), bins: draw.int(1, 20), min: -1, max: draw.int(-1, 2) }),
  bincount: (draw) => {
    const shape = draw.sizes(1);
    return { self: draw.ints(shape, 9), weights: draw.maybe(draw.floats(shape)), minlength: draw.int(0, 12) };
  },
  'searchsorted.Tensor': (draw) => ({
    sorted_sequence: draw.floats(draw.sizes(1)).sort()[0],
    self: draw.floats(draw.sizes(2)),
    right: draw.chance(0.5),
  }),
  'bucketize.Tensor': (draw) => ({
    self: draw.floats(draw.sizes(2)),
    boundaries: draw.floats(draw.sizes(1)).sort()[0],
  }),
  kthvalue: alongOne,
  'softmax.int': alongOne,
  'log_softmax.int': alongOne,
  _safe_softmax: alongOne,
  logcumsumexp: alongOne,
  'squeeze.dims': alongSome,
  diff: alongOne,
  linalg_vector_norm: alongSome,
  'norm.ScalarOpt_dim': alongSome,
  'count_nonzero.dim_IntList': alongSome,
  'var.correction': alongSome,
  'std.correction': alongSome,
  'std_mean.correction': alongSome,
  trace: (draw) => ({ self: draw.floats(draw.sizes(2)) }),
  topk: (draw) => {
    const { self, dim, shape } = upTo3(draw);
    return { self, dim, k: draw.int(0, shape.at(dim)) };
  },

  // numbers from nothing
  tril_indices: triangle,
  triu_indices: triangle,
  arange: steps,
  'arange.start': steps,
  'arange.start_step': steps,
  'randint.low_generator': (draw) => ({ low: draw.int(-5, 0), high: draw.int(1, 9), size: draw.sizes(2) }),
  uniform: inPlaceRandom,
  exponential: inPlaceRandom,

  // positions
  index: indexed,
  index_put: indexed,
  index_select: indexedRows,
  index_add: indexedRows,
  index_copy: indexedRows,
  'index_fill.int_Scalar': indexedRows,
  'index_fill_.int_Scalar': indexedRows,
  gather: scattered,
  take_along_dim: scattered,
  scatter: scattered,
  scatter_add: scattered,
  scatter_reduce: scattered,
  masked_fill: masked,
  masked_select: masked,
  one_hot: (draw) => ({ self: draw.ints(draw.anySizes(2), 4), num_classes: draw.pick([-1, 4, 9]) }),
  'repeat_interleave.self_int': (draw) => {
    const { self, dim } = upTo3(draw);
    return { self, dim, repeats: draw.int(0, 3) };
  },
  'repeat_interleave.self_Tensor': (draw) => {
    const { self, dim, shape } = upTo3(draw);
    return { self, dim, repeats: draw.ints([shape.at(dim)], 4) };
  },
  multinomial: (draw) => ({ self: draw.floats([2, 5], { low: 0 }).detach(), num_samples: draw.int(1, 5) }),
  bernoulli: (draw) => ({ self: draw.floats(draw.anySizes(), { low: 0, high: 1 }), p: draw.random.fraction() }),

  // shapes
  permute: reordered,
  'movedim.intlist': reordered,
  transpose: (draw) => {
    const { self, shape, dim } = upTo3(draw);
    return { self, dim0: dim, dim1: draw.dimOf(shape) };
  },
  view: resized,
  reshape: resized,
  expand: widened,
  broadcast_to: widened,
  repeat: (draw) => ({ self: draw.floats(draw.sizes(2)), repeats: [draw.int(0, 2), draw.int(1, 3), draw.int(1, 3)] }),
  unflatten: (draw) => ({
    self: draw.floats([2, 12]),
    dim: draw.pick([1, -1]),
    sizes: draw.pick([
      [3, 4],
      [-1, 6],
    ]),
  }),
  select: (draw) => {
    const { self, dim, shape } = upTo3(draw);
    return { self, dim, index: draw.int(-shape.at(dim), shape.at(dim) - 1) };
  },
  narrow: (draw) => {
    const { self, dim, shape } = upTo3(draw);
    const start = draw.int(0, shape.at(dim));
    return { self, dim, start, length: draw.int(0, shape.at(dim) - start) };
  },
  unfold: (draw) => {
    const { self, dim, shape } = upTo3(draw);
    return { self, dimension: dim, size: draw.int(0, shape.at(dim)), step: draw.int(1, 3) };
  },
  as_strided: (draw) => ({
    self: draw.floats([4, 4]),
    size: [2, 3],
    stride: draw.pick([
      [1, 2],
      [0, 0],
      [4, 1],
    ]),
  }),
  'split.sizes': (draw) => ({
    self: draw.floats([2, 5]),
    split_size: draw.pick([
      [2, 3],
      [0, 5],
      [1, 1, 3],
    ]),
    dim: 1,
  }),
  meshgrid: (draw) => ({ tensors: [draw.floats([2]), draw.floats([3])], indexing: draw.pick(['ij', 'xy']) }),

  // losses
  mse_loss: loss('self', 'target'),
  l1_loss: loss('self', 'target'),
  smooth_l1_loss: loss('self', 'target'),
  huber_loss: loss('self', 'target'),
  kl_div: loss('self', 'target'),
  binary_cross_entropy_with_logits: loss('self', 'target'),
  triplet_margin_loss: loss('anchor', 'positive', 'negative'),
  margin_ranking_loss: loss('input1', 'input2', 'target'),
  cosine_similarity: alike('x1', 'x2'),
  pairwise_distance: alike('x1', 'x2'),
  binary_cross_entropy: (draw) => {
    const shape = draw.anySizes();
    const probabilities = () => draw.floats(shape, { low: 0, high: 1 });
    return { self: probabilities(), target: probabilities().detach() };
  },
  cosine_embedding_loss: (draw) => {
    const [n, k] = draw.sizes(2);
    return { input1: draw.floats([n, k]), input2: draw.floats([n, k]), target: draw.ints([n], 2) };
  },

  // spectral
  fft_fft2: signal,
  fft_ifft2: signal,
  fft_rfft: signal,
  fft_irfft: (draw) => ({ ...signal(draw), n: draw.int(1, 6) }),
  fft_rfft2: signal,
  fft_irfft2: (draw) => ({ ...signal(draw), s: [2, 4] }),
};
