/** The inputs of the closed-form golden numbers of objectives, which are numpy's in float64. Not a test itself. */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';

/** sin or cos of 1, 2, 3, ... row-major, f64. */
export function wave(fn: (x: number) => number, rows: number, columns: number): Tensor {
  const values = Float64Array.from({ length: rows * columns }, (_, i) => fn(i + 1));
  return torch.tensor(values, { shape: [rows, columns] });
}
