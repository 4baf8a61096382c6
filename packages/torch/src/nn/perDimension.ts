// Sizes of windows over images.

/** One number for every spatial dimension, or one number each. */
export type PerDimension = number | readonly number[];

/** One number each. Throws Error unless there are `count` of them, whole and at least `least`. */
export function eachDimension(where: string, value: PerDimension, count: number, least: number): readonly number[] {
  const sizes = typeof value === 'number' ? new Array<number>(count).fill(value) : value;
  if (sizes.length === count && sizes.every((size) => Number.isInteger(size) && size >= least)) return sizes;
  throw new Error(`${where}: must be ${count} whole numbers from ${least}, or one for all, got ${sizes.join(', ')}`);
}
