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

/** What to tell a user whose disk refused a file. */
export function diskError(path: string, error: unknown): RunError {
  const code = codeOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  const advice =
    code === 'ENOSPC'
      ? 'the disk is full: make room (a run that had begun goes on with --resume)'
      : ['EROFS', 'EACCES', 'EPERM'].includes(code) || takesNoFiles(error)
        ? `${dirname(path)} cannot be written: choose another folder with --out`
        : code === 'ENOTDIR' || code === 'EEXIST'
          ? 'a file is in the way: choose another folder with --out'
          : 'check the disk';
  return new RunError(`run: ${path} must be writable, got ${reason}; ${advice}`);
}

/** Some file systems, such as /proc, say of a new file that its folder is missing, which is there. */
function takesNoFiles(error: unknown): boolean {
  const path = error instanceof Error && 'path' in error ? String(error.path) : '';
  return codeOf(error) === 'ENOENT' && existsSync(dirname(path));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
