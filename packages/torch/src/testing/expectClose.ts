// Comparison of tensors for tests. Throws plain errors, so that it works in any test runner.

import { isTensor } from '../adopt.js';
import { noGrad } from '../autograd.js';
import { tensor } from '../creation.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import type { ReadonlyNested, TensorData } from '../values.js';
import { type Tolerance, tolerances } from './tolerances.js';

/** How `expectClose` compares. Tolerances default to those of the dtype; an integer or boolean has to be equal. */
export interface CloseOptions extends Partial<Tolerance> {
  /** Names the compared thing at the start of the error. */
  readonly what?: string;
}

/**
 * Passes when both tensors have the same shape and dtype and |actual - expected| <= atol + rtol |expected| for every element.
 * Equal infinities are close, NaN is close to nothing.
 * @param actual any dtype but complex
 * @param expected the same; or numbers, which take the dtype of `actual`
 * Throws Error with the number of elements that differ, the worst of them and its position.
 * @example expectClose(layer.forward(x, ctx), fixture.get('linear/y'), { what: 'linear' });
 */
export function expectClose(
  actual: Tensor,
  expected: Tensor | ReadonlyNested<number>,
  options: CloseOptions = {},
): void {
  const { what = 'expectClose', ...given } = options;
  const { rtol, atol } = { ...tolerances[actual.dtype], ...given };
  scope(() =>
    noGrad(() => {
      const wanted = isTensor(expected) ? expected : tensor(expected, { dtype: actual.dtype });
      if (actual.shape.join() !== wanted.shape.join() || actual.dtype !== wanted.dtype) {
        throw new Error(`${what}: must be ${description(wanted)}, got ${description(actual)}`);
      }
      const worst = worstElement(actual.toTypedArray(), wanted.toTypedArray(), { rtol, atol });
      if (worst.numFar === 0) return;
      throw new Error(
        `${what}: ${worst.numFar} of ${actual.numel} elements of ${description(actual)} must be within ` +
          `atol ${atol} + rtol ${rtol} of the expected, got ${worst.actual} for ${worst.expected} at ` +
          `[${positionOf(worst.index, actual.shape).join(', ')}]`,
      );
    }),
  );
}

interface WorstElement {
  readonly numFar: number;
  readonly index: number;
  readonly actual: number | bigint | undefined;
  readonly expected: number | bigint | undefined;
}

function worstElement(actual: TensorData, expected: TensorData, { rtol, atol }: Tolerance): WorstElement {
  let [numFar, index, worstExcess] = [0, 0, -1];
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] === expected[i]) continue;
    const [a, e] = [Number(actual[i]), Number(expected[i])];
    const excess = Math.abs(a - e) - atol - rtol * Math.abs(e);
    // An integer beyond 2^53 may differ where its number does not; NaN compares false.
    if (excess <= 0 && typeof actual[i] === 'number' && Number.isFinite(e)) continue;
    numFar++;
    const size = Number.isNaN(excess) ? Infinity : excess;
    if (size > worstExcess) [worstExcess, index] = [size, i];
  }
  return { numFar, index, actual: actual[index], expected: expected[index] };
}

function positionOf(index: number, shape: readonly number[]): number[] {
  let rest = index;
  return shape
    .toReversed()
    .map((size) => {
      const position = rest % size;
      rest = Math.floor(rest / size);
      return position;
    })
    .reverse();
}

function description({ dtype, shape }: Tensor): string {
  return `${dtype} [${shape.join(', ')}]`;
}
