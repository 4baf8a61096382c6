/** Ranges of numbers that keys of the schema have. */
import { z } from 'zod';

export const positive = z.number().positive();
export const count = z.number().int().positive();
export const fraction = z.number().min(0).max(1);
export const shareBelow1 = z.number().min(0).lt(1);
/** A number for red, green and blue. */
export const perChannel = z.array(z.number()).length(3);
/** [low, high] */
export const rangeOf = (bound: z.ZodNumber) =>
  z
    .tuple([bound, bound])
    .refine(([low, high]) => low <= high, 'the first number must not exceed the second')
    .readonly();
