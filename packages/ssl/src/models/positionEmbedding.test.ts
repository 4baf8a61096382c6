import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { expectClose, Fixture, relativeError } from './fixture.case.js';
import { resizePositions } from './positionEmbedding.js';

const fixture = new Fixture('models/vit');

/** Cubic convolution: what a row counts for that is `distance` rows from where is read. */
function cubic(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1;
  return x < 2 ? a * (x ** 3 - 5 * x ** 2 + 8 * x - 4) : 0;
}

/** What each of `trained` rows counts for in row `row` of a plane resized to `grid` rows, f64. */
function weightsOf(row: number, trained: number, grid: number, mode: 'size' | 'offset'): number[] {
  const plane = torch.eye(trained, { dtype: 'float64' }).unsqueeze(1).expand([-1, trained, -1]); // row r is 1 in channel r
  const cls = torch.zeros([1, trained], { dtype: 'float64' });
  const resized = resizePositions(torch.cat([cls, plane.flatten(0, 1)]).unsqueeze(0), grid, mode);
  return resized
    .select(1, 1 + row * grid)
    .flatten()
    .toArray() as number[];
}

/** `offset`: four rows; those beyond the border are the border's. */
function clampedWeights(readAt: number, trained: number): number[] {
  const weights = Array.from({ length: trained }, () => 0);
  for (const step of [-1, 0, 1, 2]) {
    const row = Math.floor(readAt) + step;
    const within = Math.min(Math.max(row, 0), trained - 1);
    weights[within] = (weights[within] ?? 0) + cubic(row - readAt, -0.75);
  }
  return weights;
}

/** `size`, antialiased: stretched over what a row of the smaller plane covers; those within the border share the whole. */
function stretchedWeights(readAt: number, trained: number, grid: number): number[] {
  const weights = Array.from({ length: trained }, (_, row) => cubic(((row - readAt) * grid) / trained, -0.5));
  const sum = weights.reduce((total, weight) => total + weight);
  return weights.map((weight) => weight / sum);
}

function expectWeights(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toEqual(expected.map((weight) => expect.closeTo(weight, 6) as number));
}

describe('resizePositions', () => {
  it.each([
    ['size', 7],
    ['size', 3],
    ['offset', 7],
    ['offset', 3],
  ] as const)('%s, 4 x 4 to %i a side: values and gradient equal those of interpolate', (mode, grid) => {
    torch.scope(() => {
      const x = fixture.leaf('positions/x');
      const y = resizePositions(x, grid, mode);
      expectClose(y, fixture.get(`positions/${mode}_${grid}/y`), 'y');
      y.mul(torch.arange(y.numel).reshape(y.shape).cos()).sum().backward();
      expectClose(x.grad, fixture.get(`positions/${mode}_${grid}/g`), 'gradient');
    });
  });

  it('the added 0.1 shifts what is read: the same plane resized to the exact size differs', () => {
    torch.scope(() => {
      const x = fixture.get('positions/x');
      // Larger grids are not antialiased in either mode.
      expect(relativeError(resizePositions(x, 7, 'offset'), resizePositions(x, 7, 'size'))).toBeGreaterThan(0.01);
    });
  });

  it('is the stored tensor for its own grid', () => {
    torch.scope(() => {
      const x = fixture.get('positions/x');
      for (const mode of ['size', 'offset'] as const) expect(resizePositions(x, 4, mode)).toBe(x);
    });
  });

  it('weighs rows as the closed-form golden numbers do, 0.3 of a row behind one', () => {
    torch.scope(() => {
      const distances = [1.3, 0.3, 0.7, 1.7];
      expectWeights(
        distances.map((distance) => cubic(distance, -0.75)),
        [-0.11025, 0.83125, 0.32625, -0.04725],
      );
      expectWeights(weightsOf(3, 8, 10, 'size'), [0, -0.0735, 0.8155, 0.2895, -0.0315, 0, 0, 0]); // (3 + 0.5) 0.8 - 0.5 = 2.3
    });
  });

  it.each([
    [0, 0.6490683, 0.65625],
    [1, 2.947205, 2.96875],
    [15, 35.121118, 35.34375],
  ])('reads row %i of 37 to 16 at %d with offset and at %d by size', (row, offset, size) => {
    torch.scope(() => {
      expectWeights(weightsOf(row, 37, 16, 'offset'), clampedWeights(offset, 37));
      expectWeights(weightsOf(row, 37, 16, 'size'), stretchedWeights(size, 37, 16));
    });
  });
});
