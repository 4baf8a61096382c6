// How close two results of the same formula have to be, one row a dtype. A test that needs more says why beside the number.

import type { DType } from '../dtype.js';

/** |actual - expected| <= atol + rtol |expected|. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

const exact: Tolerance = { rtol: 0, atol: 0 };

/**
 * Tolerance by dtype: the rounding step of the dtype times the few dozen roundings of a layer on a small input. Another order of a sum
 * stays inside, a wrong coefficient does not. Whole numbers and booleans have to be equal.
 */
export const tolerances: Readonly<Record<DType, Tolerance>> = {
  float64: { rtol: 1e-10, atol: 1e-12 }, // step 2.2e-16; constants written to 10 digits still have to be given a tolerance of their own
  float32: { rtol: 1e-5, atol: 1e-6 }, // step 1.2e-7
  float16: { rtol: 2e-3, atol: 1e-4 }, // step 9.8e-4
  bfloat16: { rtol: 2e-2, atol: 2e-3 }, // step 7.8e-3
  complex64: { rtol: 1e-5, atol: 1e-6 },
  complex128: { rtol: 1e-10, atol: 1e-12 },
  int64: exact,
  int32: exact,
  int16: exact,
  int8: exact,
  uint8: exact,
  bool: exact,
};
