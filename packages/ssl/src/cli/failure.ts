/** What a person sees when a command fails: one message, and no backtrace for what they can mend. */
import type { FailureLine } from '../protocol/failure.js';

/** Errors whose message is complete: where, which rule, what was given, what to do. */
const EXPLAINED: readonly string[] = [
  'ConfigError',
  'DataError',
  'RunError',
  'InterruptedError',
  'DivergedError',
  'UsageError',
  'EngineNotFoundError',
  'SetupError',
  'SafetensorsError',
  'OutOfMemoryError',
];

/** Wrong use of an option, found by a command itself. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A command that did its work, and whose result, printed already, is bad news. */
export class BadResult extends Error {
  override readonly name = 'BadResult';
}

/** The message for standard error. `HALFWAY_TRACE=1` adds the backtrace. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return `halfway: ${String(error)}`;
  if (process.env['HALFWAY_TRACE'] === '1') return `halfway: ${error.stack ?? error.message}`;
  if (EXPLAINED.includes(error.name)) return `halfway: ${error.message}`;
  return `halfway: ${error.name}: ${error.message}\nThis should not happen; HALFWAY_TRACE=1 shows where it did.`;
}

/** The same for machines, with the kind of the error. */
export function failureLine(error: unknown): FailureLine {
  return { error: describeError(error), kind: error instanceof Error ? error.name : 'Error' };
}

/** 2 for wrong usage (options, configuration), else 1. */
export function exitCodeOf(error: unknown): number {
  return error instanceof Error && (error.name === 'UsageError' || error.name === 'ConfigError') ? 2 : 1;
}
