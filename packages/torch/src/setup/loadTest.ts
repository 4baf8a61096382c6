// Loads the built addon in a child process: a library that crashes while loading must not take the doctor with it.

import { fileURLToPath } from 'node:url';
import type { Env } from './cacheFolder.js';
import { runCommand } from './commands.js';
import { isFile } from './libtorch.js';

/** Whether the addon loaded and multiplied, and what it said. */
export interface LoadResult {
  readonly ok: boolean;
  readonly detail: string;
  /** Threads libtorch uses; undefined when only loading was tried. */
  readonly threads: number | undefined;
  /** Why no GPU can be used, with what to do; empty when one can, undefined when only loading was tried. */
  readonly cudaProblem: string | undefined;
  /** What was tried on the current GPU; empty where none can be used. */
  readonly cudaParts: readonly PartTrial[];
}

/** One part of the engine that was tried. */
export interface PartTrial {
  readonly name: string;
  /** Empty when it works. */
  readonly problem: string;
}

const builtProgram = fileURLToPath(new URL('./tryEngine.js', import.meta.url));
const onlyLoads = "process.dlopen({ exports: {} }, process.argv[1]); console.log('{}')";

/**
 * Loads the addon at `path` and, where the package is built, tries what it can do. Ends within two minutes.
 * @param program tryEngine.js; where it is absent, loading alone is tried
 */
export async function tryAddon(path: string, env: Env, program: string = builtProgram): Promise<LoadResult> {
  const how = isFile(program) ? [program] : ['--eval', onlyLoads, '--', path];
  const { status, stdout, stderr } = await runCommand([process.execPath, ...how], {
    env: { ...env, HALFWAY_ADDON: path },
    timeoutMs: 120_000, // the first use of a GPU sets up libraries of several hundred MB
  });
  const untried = { threads: undefined, cudaProblem: undefined, cudaParts: [] };
  const said = stdout.trim().split('\n').at(-1);
  if (said === undefined || said === '') return { ok: false, detail: failureLine(status, stderr), ...untried };
  const answer = JSON.parse(said) as Partial<LoadResult & { version: string; capability: string }>;
  const { threads, version = 'unknown', capability = 'unknown', cudaProblem, cudaParts = [] } = answer;
  if (threads === undefined) {
    return { ok: true, detail: 'loads (its functions were not tried: the package is not built)', ...untried };
  }
  const detail = `a matrix product is right; libtorch ${version}, ${capability} kernels, ${String(threads)} thread${threads === 1 ? '' : 's'}`;
  return { ok: true, detail, threads, cudaProblem, cudaParts };
}

function failureLine(status: number | null, stderr: string): string {
  const said = stderr
    .split('\n')
    .find((line) => /Error|error|cannot|undefined symbol/.test(line))
    ?.trim();
  if (said !== undefined) return said;
  return status === null
    ? 'the process was killed or crashed while loading it'
    : `exit status ${String(status)} and no message`;
}
