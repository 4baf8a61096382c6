/** Values of options, read once. A wrong one is wrong usage: exit code 2. */
import { InvalidArgumentError, Option } from 'commander';
import { UsageError } from './failure.js';

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

/** The one of `[run]` and `--weights` that a command was given. Throws UsageError for none and for both. */
export function runOrWeights(command: string, runDir: string | undefined, weights: string | undefined): string {
  const source = weights ?? runDir;
  if (source === undefined) throw new UsageError(`${command}: a run folder or --weights must be named, got none`);
  if (weights === undefined || runDir === undefined) return source;
  throw new UsageError(
    `${command}: a run folder or --weights must be named, got both, ${runDir} and ${weights}; leave one of them out`,
  );
}
