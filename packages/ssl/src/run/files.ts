/** Files of a run folder, written so that a reader or a crash never meets half of one. */
import { existsSync, closeSync, fsyncSync, openSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { RunError } from '../errors.js';

/**
 * Writes a file whole or not at all: aside, flushed, then renamed; of two processes that write the same one, the last to end has it.
 * Throws RunError naming the path when the disk does not take it; what was there stays as it was.
 */
export function writeAtomic(path: string, text: string): void {
  const partial = `${path}.${process.pid}.partial`;
  try {
    const file = openSync(partial, 'w');
    try {
      writeFileSync(file, text); // unlike writeSync, all of it: a disk that is nearly full takes a part first
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(partial, path);
  } catch (error) {
    discard(partial);
    throw diskError(path, error);
  }
}

/** Removes what a failed write left, as far as the disk lets it: the failure itself is the one to report. */
export function discard(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    return;
  }
}

/** Makes renames and new files in a folder durable. */
export function flushFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Throws RunError unless the disk of `folder` has room for `bytes`. */
export function requireFreeSpace(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= bytes) return;
  const megabytes = (value: number): string => `${Math.ceil(value / 1e6)} MB`;
  throw new RunError(
    `run: the disk of ${folder} must have ${megabytes(bytes)} free for checkpoints, got ${megabytes(bavail * bsize)}; ` +
      'make room (a run that had begun goes on with --resume), or choose another folder with --out',
  );
}

/** What to tell a user whose disk refused a file; an error that is not the system's, such as the engine's, comes back as it is. */
export function diskError(path: string, error: unknown): Error {
  if (!(error instanceof Error)) return new Error(`internal: ${String(error)}`);
  if (!isOfSystem(error)) return error;
  const { code, message } = error;
  const advice =
    code === 'ENOSPC'
      ? 'the disk is full: make room (a run that had begun goes on with --resume)'
      : ['EROFS', 'EACCES', 'EPERM'].includes(code) || takesNoFiles(error)
        ? `${dirname(path)} cannot be written: choose another folder with --out`
        : code === 'ENOTDIR' || code === 'EEXIST'
          ? 'a file is in the way: choose another folder with --out'
          : 'check the disk';
  return new RunError(`run: ${path} must be writable, got ${message}; ${advice}`);
}

/** An error of a call of the system. */
interface SystemError extends Error {
  readonly code: string;
  readonly path?: string;
}

/** Node's own errors, such as those of arguments, have a code and no call of the system. */
function isOfSystem(error: Error): error is SystemError {
  return 'code' in error && 'syscall' in error;
}

/** Some file systems, such as /proc, say of a new file that its folder is missing, which is there. */
function takesNoFiles({ code, path = '' }: SystemError): boolean {
  return code === 'ENOENT' && existsSync(dirname(path));
}
