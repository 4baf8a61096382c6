// Running other programs: find one on PATH, run it, keep what it said. No shell is ever involved.

import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Env } from './cacheFolder.js';

/** The full path of the first executable file called `name` on `env.PATH`, or undefined. A name with a slash is taken as it is. */
export function findOnPath(name: string, env: Env): string | undefined {
  const folders = name.includes('/') ? [''] : (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of folders) {
    const path = folder === '' ? name : join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      continue; // not here, or not ours to run: the next folder decides
    }
  }
  return undefined;
}

/** What a finished program left: its exit status (null when it could not start or was killed) and its output. */
export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

/** How to run a program. */
export interface CommandOptions {
  readonly env: Env;
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly cwd?: string;
  /** Called with each finished line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
}

/** Runs `command[0]` with the rest as arguments and waits for its end; a program that cannot start gives status null and the reason in stderr. */
export function runCommand(command: readonly string[], options: CommandOptions): Promise<CommandResult> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error('internal: runCommand was given no program');
  const startMs = performance.now();
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env: { ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: 'SIGKILL' }),
    });
    let stdout = '';
    let stderr = '';
    const finish = (status: number | null) => {
      resolve({ status, stdout, stderr, seconds: (performance.now() - startMs) / 1000 });
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const unfinished = stdout.slice(stdout.lastIndexOf('\n') + 1) + text;
      stdout += text;
      for (const line of unfinished.split('\n').slice(0, -1)) options.onLine?.(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', (error) => {
      stderr += error.message;
      finish(null);
    });
    child.on('close', finish);
    // A program that ends before it has read its input closes the pipe; its exit status tells the story.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}
