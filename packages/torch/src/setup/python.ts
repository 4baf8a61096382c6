// The two things set-up asks of Python: pip to download wheels (it knows the user's index, proxy and certificates), and the zipfile
// module to unpack them. Any Python 3 will do; the wheels are not installed into it.

import type { Env } from './cacheFolder.js';
import { findOnPath, runCommand } from './commands.js';
import { SetupError } from './errors.js';

/** How to start pip, for example `['/usr/bin/python3', '-m', 'pip']`, and what it says its version is. */
export interface Pip {
  readonly command: readonly string[];
  readonly version: string;
}

const programs = ['python3', 'python'] as const;
const pipCandidates: readonly (readonly string[])[] = [
  ...programs.map((python) => [python, '-m', 'pip']),
  ['pip3'],
  ['pip'],
];

/** The first pip that works: of `python3`, `python`, then `pip3`, `pip` on PATH; undefined when there is none. */
export async function findPip(env: Env): Promise<Pip | undefined> {
  for (const [program = '', ...args] of pipCandidates) {
    const path = findOnPath(program, env);
    if (path === undefined) continue;
    const { status, stdout } = await runCommand([path, ...args, '--version'], { env, timeoutMs: 60_000 });
    const version = /^pip (\S+)/.exec(stdout)?.[1];
    if (status === 0 && version !== undefined) return { command: [path, ...args], version };
  }
  return undefined;
}

/** `findPip`, or SetupError 'no-pip' with the command that brings it. */
export async function requirePip(env: Env): Promise<Pip> {
  const pip = await findPip(env);
  if (pip !== undefined) return pip;
  throw new SetupError(
    'no-pip',
    `setup: Python's pip is needed to download PyTorch's libraries, and none of ${pipCandidates.map((words) => words.join(' ')).join(', ')} works; ` +
      `install it (Debian, Ubuntu: sudo apt install python3-pip; Fedora: sudo dnf install python3-pip), then run: npx halfway-torch setup. ` +
      `With a torch wheel at hand: npx halfway-torch setup --from torch-....whl`,
  );
}

/** The first Python 3 on PATH; SetupError 'no-pip' when there is none. */
export async function requirePython(env: Env): Promise<string> {
  for (const name of programs) {
    const path = findOnPath(name, env);
    if (path === undefined) continue;
    const { status } = await runCommand(
      [path, '-c', 'import sys, zipfile, zlib; sys.exit(sys.version_info < (3, 8))'],
      {
        env,
        timeoutMs: 60_000,
      },
    );
    if (status === 0) return path;
  }
  throw new SetupError(
    'no-pip',
    `setup: Python 3.8 or newer is needed to unpack PyTorch's libraries, and neither python3 nor python works; ` +
      `install it (Debian, Ubuntu: sudo apt install python3 python3-pip), then run: npx halfway-torch setup`,
  );
}
