// Arguments that fit the operators on matrices; see fittingArguments.mjs.

/** Square matrices, and right-hand sides for them. */
const square = (draw) => {
  const [batch, n, k] = draw.sizes(3);
  const matrices = draw.definite([batch, n]);
  const sides = draw.floats([batch, n, k]);
  return { A: matrices, self: matrices, B: sides, n: draw.int(-2, 3), upper: draw.chance(0.5) };
};

const oneMatrix = (draw) => {
  const matrix = draw.floats(draw.sizes(draw.int(2, 3)));
  return { self: matrix, A: matrix };
};

/** @type {Record<string, (draw: import('./fittingValues.mjs').FittingValues) => Record<string, unknown>>} */
export const fittingMatrices = {
  // products of matrices
  mm: (draw) => {
    const [n, k, m] = draw.sizes(3);
    return { self: draw.floats([n, k]), mat2: draw.floats([k, m]) };
  },
  bmm: (draw) => {
    const [b, n, k, m] = draw.sizes(4);
    return { self: draw.floats([b, n, k]), mat2: draw.floats([b, k, m]) };
  },
  mv: (draw) => {
    const [n, k] = draw.sizes(2);
    return { self: draw.floats([n, k]), vec: draw.floats([k]) };
  },
  dot: (draw) => {
    const shape = draw.sizes(1);
    return { self: draw.floats(shape), tensor: draw.floats(shape) };
  },
  outer: (draw) => ({ self: draw.floats(draw.sizes(1)), vec2: draw.floats(draw.sizes(1)) }),
  addmm: (draw) => {
    const [n, k, m] = draw.sizes(3);
    const beta = draw.pick([0, 1, 0.5]);
    return { self: draw.floats([n, m]), mat1: draw.floats([n, k]), mat2: draw.floats([k, m]), beta };
  },
  addmv: (draw) => {
    const [n, k] = draw.sizes(2);
    return { self: draw.floats([n]), mat: draw.floats([n, k]), vec: draw.floats([k]), beta: draw.pick([0, 1]) };
  },
  addr: (draw) => {
    const [n, m] = draw.sizes(2);
    return { self: draw.floats([n, m]), vec1: draw.floats([n]), vec2: draw.floats([m]) };
  },
  addbmm: (draw) => {
    const [b, n, k, m] = draw.sizes(4);
    return { self: draw.floats([n, m]), batch1: draw.floats([b, n, k]), batch2: draw.floats([b, k, m]) };
  },
  baddbmm: (draw) => {
    const [b, n, k, m] = draw.sizes(4);
    return { self: draw.floats([b, n, m]), batch1: draw.floats([b, n, k]), batch2: draw.floats([b, k, m]) };
  },
  matmul: (draw) => {
    const [b, n, k, m] = draw.sizes(4);
    return {
      self: draw.floats(
        draw.pick([
          [n, k],
          [b, n, k],
        ]),
      ),
      other: draw.floats(draw.pick([[k, m], [b, k, m], [k]])),
    };
  },
  einsum: (draw) => {
    const [i, j, k] = draw.sizes(3);
    const equation = draw.pick(['ij,jk->ik', 'ij,jk', '...j,jk->...k', 'ij,jk->']);
    return { equation, tensors: [draw.floats([i, j]), draw.floats([j, k])], path: draw.maybe([0, 1]) };
  },
  tensordot: (draw) => {
    const [i, j, k] = draw.sizes(3);
    return { self: draw.floats([i, j, k]), other: draw.floats([k, j]), dims_self: [1, 2], dims_other: [1, 0] };
  },
  cdist: (draw) => {
    const [n, m, k] = draw.sizes(3);
    return { x1: draw.floats([n, k]), x2: draw.floats([m, k]), p: draw.pick([0, 1, 2, 2.5, Infinity]) };
  },
  cov: (draw) => ({ self: draw.floats(draw.sizes(2)), correction: draw.int(0, 1) }),

  // linear algebra
  ...Object.fromEntries(
    [
      ...['linalg_solve', 'linalg_solve_ex', 'linalg_solve_triangular', 'linalg_inv', 'linalg_inv_ex', 'linalg_det'],
      ...['linalg_slogdet', 'linalg_cholesky', 'linalg_cholesky_ex', 'linalg_eigh', 'linalg_eigvalsh'],
      ...['linalg_matrix_exp', 'linalg_matrix_power'],
    ].map((name) => [name, square]),
  ),
  cholesky_solve: (draw) => {
    const { A: input2, B: self, upper } = square(draw);
    return { self, input2, upper };
  },
  linalg_lstsq: (draw) => {
    const [n, k, m] = draw.sizes(3);
    return {
      self: draw.floats([n, k]),
      b: draw.floats([n, m]),
      driver: draw.pick(['gels', 'gelsd', 'gelss', 'gelsy']),
    };
  },
  linalg_svd: oneMatrix,
  linalg_svdvals: oneMatrix,
  linalg_qr: (draw) => ({ ...oneMatrix(draw), mode: draw.pick(['reduced', 'complete', 'r']) }),
  'linalg_pinv.atol_rtol_float': oneMatrix,
  linalg_matrix_norm: (draw) => ({ ...oneMatrix(draw), ord: draw.pick([1, -1, 2, -2, Infinity]), dim: [-2, -1] }),
  linalg_cross: (draw) => ({ self: draw.floats([2, 3]), other: draw.floats([2, 3]), dim: 1 }),
};
