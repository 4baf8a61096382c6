/** What the process of an arm said at its end: its summary, or why there is none. */
import { join } from 'node:path';
import { RunError } from '../errors.js';
import type { FailureLine } from '../protocol/failure.js';
import type { PretrainSummary } from '../protocol/run.js';
import { InterruptedError } from '../train/pretrain.js';

/** A process of `halfway pretrain --json` that has ended. */
export interface EndedProcess {
  readonly status: number | null; // null: a signal ended it
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * The summary of an arm's training.
 * @throws InterruptedError when it was asked to stop; RunError with its own reason when it failed
 */
export function armResult(
  arm: { readonly name: string; readonly seed: number; readonly runDir: string },
  { status, signal, stdout, stderr }: EndedProcess,
): PretrainSummary {
  const line = lastLine(stdout);
  const said = jsonOf(line);
  if (status === 0 && said !== undefined) return said as PretrainSummary;
  if (status === 0) throw failureOf(arm, `no summary as its last line, but ${JSON.stringify(line.slice(0, 200))}`);
  const { error, kind } = (said ?? {}) as Partial<FailureLine>;
  const reason = (error ?? lastLine(stderr)).replace('halfway: ', '');
  if (kind === 'InterruptedError') throw new InterruptedError(reason);
  throw failureOf(arm, reason === '' ? (signal ?? 'no message') : reason);
}

function failureOf({ name, seed, runDir }: Parameters<typeof armResult>[0], reason: string): RunError {
  return new RunError(
    `study: training "${name}" with seed ${seed} must finish, got: ${reason}\n` +
      `its whole log is ${join(runDir, 'train.log')}; once that is mended, the same command goes on where it stopped`,
  );
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** The object that a line is; undefined where it is none, as of a process that was killed. */
function jsonOf(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
