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
  /** Why no GPU can be used, with what to do; empty when one multiplied too, undefined when only loading was tried. */
  readonly cudaProblem: string | undefined;
}

// Prints one JSON line. The package's entry is used when it is built, since it knows how to call the addon; else loading alone is tried.
const program = `
const [addon, entry] = process.argv.slice(1);
if (entry) {
  const torch = await import(entry);
  const multiply = (device) => {
    const [size, ones] = [256, torch.ones([256, 256], { device })];
    if (ones.matmul(ones).sum().item() !== size ** 3) throw new Error('a product of matrices of ones came out wrong');
  };
  const problemOf = (device) => {
    try {
      multiply(device);
      return '';
    } catch (error) {
      return error.message.replace(/^.* cannot be used: /, '');
    }
  };
  multiply('cpu');
  const facts = { threads: torch.getNumThreads(), version: torch.libtorchVersion(), capability: torch.cpuCapability() };
  console.log(JSON.stringify({ ...facts, cudaProblem: problemOf('cuda') }));
} else {
  process.dlopen({ exports: {} }, addon);
  console.log('{}');
}
`;

/** Loads the addon at `path` and, where the package is built, multiplies two matrices with it. Ends within a minute. */
export async function tryAddon(
  path: string,
  env: Env,
  entry: string = fileURLToPath(new URL('../index.js', import.meta.url)),
): Promise<LoadResult> {
  const command = [process.execPath, '--input-type=module', '--eval', program, '--', path, isFile(entry) ? entry : ''];
  const { status, stdout, stderr } = await runCommand(command, {
    env: { ...env, HALFWAY_ADDON: path },
    timeoutMs: 60_000,
  });
  const untried = { threads: undefined, cudaProblem: undefined };
  if (status !== 0) return { ok: false, detail: failureLine(status, stderr), ...untried };
  const answer: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}');
  if (typeof answer !== 'object' || answer === null || !('threads' in answer) || typeof answer.threads !== 'number') {
    return { ok: true, detail: 'loads (its functions were not tried: the package is not built)', ...untried };
  }
  const version = 'version' in answer ? String(answer.version) : 'unknown';
  const capability = 'capability' in answer ? String(answer.capability) : 'unknown';
  const threads = `${String(answer.threads)} thread${answer.threads === 1 ? '' : 's'}`;
  return {
    ok: true,
    detail: `a matrix product is right; libtorch ${version}, ${capability} kernels, ${threads}`,
    threads: answer.threads,
    cudaProblem: 'cudaProblem' in answer ? String(answer.cudaProblem) : undefined,
  };
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
