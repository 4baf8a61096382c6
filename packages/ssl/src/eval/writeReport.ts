/** Writes a report whole or not at all: aside, flushed to the disk, then renamed. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { RunError } from '../errors.js';
import type { EvalReport } from '../protocol/report.js';

/** @throws RunError when the disk or the folder refuses; the file that was there stays as it was */
export function writeReport(path: string, report: EvalReport): void {
  const aside = `${path}.${process.pid}.tmp`;
  try {
    const file = openSync(aside, 'w');
    try {
      writeSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    const reason = error instanceof Error ? error.message : String(error);
    throw new RunError(
      `eval: the report cannot be written, got ${reason}; free space or change permissions of ${path}`,
    );
  }
}
