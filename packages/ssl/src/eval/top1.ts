/** Top-1: the share of photos whose class is the predicted one, with its interval; of k-NN and of the linear probe. */
import type { Interval } from '../protocol/report.js';
import { wilsonInterval } from './intervals.js';

/** For protocols: what the interval of a top-1 is. */
export const TOP1_INTERVAL_TEXT = 'Wilson 95 % interval over test photos';

/** The outcome of each photo, 1: right. */
export function outcomesOf(predicted: Int32Array, labels: Int32Array): Uint8Array {
  return Uint8Array.from(predicted, (label, i) => (label === labels[i] ? 1 : 0));
}

/** How many outcomes are right. */
export function numRightOf(right: Uint8Array): number {
  return right.reduce((sum, outcome) => sum + outcome, 0);
}

/** Top-1 in percent. */
export function top1Of(right: Uint8Array): { readonly top1: number; readonly interval: Interval } {
  const numRight = numRightOf(right);
  return { top1: (100 * numRight) / right.length, interval: wilsonInterval(numRight, right.length) };
}
