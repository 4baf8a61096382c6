import { DataError } from '../../errors.js';

/** Throws the DataError of a file that breaks a rule. */
export type Fail = (problem: string) => never;

/** A function that throws `path: rule, got values`. */
export function failIn(path: string): Fail {
  return (problem) => {
    throw new DataError(`${path}: ${problem}`, { path });
  };
}
