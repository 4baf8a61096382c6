// Finds a C++ compiler that can build the addon: g++ 12 or newer, or clang 14 or newer.

import type { Env } from './cacheFolder.js';
import { findOnPath, runCommand } from './commands.js';
import { SetupError } from './errors.js';

/** A C++ compiler and how to start it. */
export interface Compiler {
  /** Program and leading arguments, for example `['/usr/bin/ccache', 'g++']` from CXX="ccache g++". */
  readonly command: readonly string[];
  readonly kind: 'gcc' | 'clang';
  readonly version: string;
}

const minimumMajor = { gcc: 12, clang: 14 } as const;
const candidates = ['c++', 'g++', 'g++-15', 'g++-14', 'g++-13', 'g++-12', 'clang++'] as const;
const installCommand = 'Debian, Ubuntu: sudo apt install g++; Fedora: sudo dnf install gcc-c++';

/** The first usable compiler of $CXX, c++, g++ (and its versioned names), clang++, with what was found on the way. */
export async function findCompiler(env: Env): Promise<{ compiler: Compiler | undefined; tried: readonly string[] }> {
  const tried: string[] = [];
  const chosen = env.CXX?.trim().split(/\s+/);
  for (const words of chosen === undefined || chosen[0] === '' ? candidates.map((name) => [name]) : [chosen]) {
    const [name = '', ...args] = words;
    const path = findOnPath(name, env);
    if (path === undefined) {
      tried.push(`${name}: not found`);
      continue;
    }
    const compiler = await identify([path, ...args], env);
    if (compiler === undefined) {
      tried.push(`${name}: neither g++ nor clang`);
    } else if (Number.parseInt(compiler.version) < minimumMajor[compiler.kind]) {
      tried.push(`${name}: ${compiler.kind} ${compiler.version} is too old`);
    } else {
      return { compiler, tried };
    }
  }
  return { compiler: undefined, tried };
}

/** `findCompiler`, or SetupError 'no-compiler' with the command that brings one. */
export async function requireCompiler(env: Env): Promise<Compiler> {
  const { compiler, tried } = await findCompiler(env);
  if (compiler !== undefined) return compiler;
  const isChoice = (env.CXX ?? '').trim() !== '';
  throw new SetupError(
    'no-compiler',
    `setup: a C++ compiler is needed (g++ ${String(minimumMajor.gcc)} or newer, or clang ${String(minimumMajor.clang)} or newer), ` +
      `got ${isChoice ? 'CXX=' : ''}${tried.filter((line) => isChoice || !/-1\d: not found/.test(line)).join(', ')}; ` +
      `${isChoice ? 'unset CXX or name another compiler' : `install one (${installCommand})`}, then run: npx halfway-torch setup`,
  );
}

async function identify(command: readonly string[], env: Env): Promise<Compiler | undefined> {
  // The messages of a translated compiler would not match.
  const { status, stdout } = await runCommand([...command, '--version'], {
    env: { ...env, LC_ALL: 'C' },
    timeoutMs: 30_000,
  });
  if (status !== 0) return undefined;
  const clang = /clang version (\d+[\d.]*)/.exec(stdout)?.[1];
  if (clang !== undefined) return { command, kind: 'clang', version: clang };
  const gcc = stdout.includes('Free Software Foundation') ? /\) (\d+\.[\d.]*\d)/.exec(stdout)?.[1] : undefined;
  return gcc === undefined ? undefined : { command, kind: 'gcc', version: gcc };
}
