/** Values of options, read once. A wrong one is wrong usage: exit code 2. */
import { InvalidArgumentError, Option } from 'commander';

/** A whole number from `least`. */
export function wholeNumber(least = 0): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`must be a whole number from ${least}.`);
  };
}

/** `--device`; a GPU that is asked for and is not there is an error. */
export function deviceOption(description: string): Option {
  return new Option('--device <name>', description).choices(['cpu', 'cuda']);
}

/** An option that may be repeated. */
export function collect(value: string, previous: string[]): string[] {
  return [...previous, value];
}
