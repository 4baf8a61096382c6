// Random calls in child processes (makeCalls.mjs), each with a limit on its memory and time: what became of every call, and of those
// that ended their process.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('makeCalls.mjs', import.meta.url));
const callsEach = 1000;
const limitMs = 200_000; // a hundred times what they take on an idle machine
const addressSpaceKiB = 4 * 2 ** 20;
const heapMiB = 512;

/**
 * @typedef {object} SweepOptions
 * @property {number} calls
 * @property {number} [seed]
 * @property {boolean} [isRaw] all operators of the dispatcher instead of the typed ones
 * @property {Record<string, string | undefined>} [env]
 * @property {boolean} [isAddressSpaceLimited] AddressSanitizer reserves more than any limit
 * @property {(report: Report) => void} [onProgress] after each process
 */

/**
 * What became of the calls. A failure is a call that ended its process, did not end, or broke a rule of makeCalls.mjs, and how it did.
 * @typedef {object} Report
 * @property {number} calls
 * @property {number} results
 * @property {number} gradients results that a gradient was computed of
 * @property {Record<string, number>} errors by class
 * @property {Record<string, [calls: number, results: number]>} operators
 * @property {{ call: string, end: string }[]} failures
 */

/** Throws Error when a child does not get as far as its first call. @param {SweepOptions} options @returns {Report} */
export function sweep({ calls, seed = 0, isRaw = false, env = process.env, isAddressSpaceLimited = true, onProgress }) {
  const report = { calls: 0, results: 0, gradients: 0, errors: {}, operators: {}, failures: [] };
  const folder = mkdtempSync(join(tmpdir(), 'halfway-sweep-'));
  const log = join(folder, 'log');
  const limit = isAddressSpaceLimited ? `ulimit -v ${addressSpaceKiB} && ` : '';
  try {
    for (let from = 0; from < calls; from = report.calls) {
      const to = Math.min(from + callsEach, calls);
      const numbers = ['--seed', `${seed}`, '--from', `${from}`, '--to', `${to}`];
      const args = [`--max-old-space-size=${heapMiB}`, program, ...numbers, '--log', log, ...(isRaw ? ['--raw'] : [])];
      writeFileSync(log, '');
      const child = spawnSync('/bin/sh', ['-c', `${limit}exec "$0" "$@"`, process.execPath, ...args], {
        env,
        cwd: folder, // raw operators such as from_file write where they are
        encoding: 'utf8',
        timeout: limitMs,
        killSignal: 'SIGKILL',
        maxBuffer: 2 ** 28,
      });
      const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean);
      if (lines.length === 0) throw new Error(`sweep: calls must begin, got ${endOf(child)}`);
      for (const line of lines) countCall(line, report);
      if (child.status !== 0) report.failures.push({ call: lines.at(-1), end: endOf(child) });
      onProgress?.(report);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return report;
}

/** Counts a line of the log: number, operator, arguments and, where the call came to an end, what became of it. */
function countCall(line, report) {
  const [, entry, , outcome] = line.split('\t');
  const counts = (report.operators[entry] ??= [0, 0]);
  report.calls += 1;
  counts[0] += 1;
  if (outcome === 'result' || outcome === 'gradient') {
    counts[1] += 1;
    report.results += 1;
    if (outcome === 'gradient') report.gradients += 1;
  } else if (outcome !== undefined) {
    report.errors[outcome] = (report.errors[outcome] ?? 0) + 1;
  }
}

function endOf({ status, signal, error, stderr }) {
  const how = error?.code ?? signal ?? `exit code ${status}`;
  const said = stderr.split('\n').filter((line) => line !== '' && !line.includes('] Warning: '));
  return [how, ...said.slice(-40)].join('\n');
}
