// Usage: node packages/torch/fuzz/hostileCalls.mjs [--calls N] [--seed N] [--raw] [--report FILE]
// Calls the typed operators (with --raw: all operators of the dispatcher) with random and hostile arguments, in child processes with
// limits on memory and time. Every call must end in a result or a typed error. Says how many calls returned a result, by operator those
// that never did, and every call that failed; then the exit code is 1. A failed call is made again by
//   node packages/torch/fuzz/makeCalls.mjs --seed N --from NUMBER --to NUMBER+1 [--raw]

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { reportText } from './reportText.mjs';
import { sweep } from './sweep.mjs';

const { values: options } = parseArgs({
  options: {
    calls: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '0' },
    raw: { type: 'boolean', default: false },
    report: { type: 'string' },
  },
});
const report = sweep({
  calls: Number(options.calls),
  seed: Number(options.seed),
  isRaw: options.raw,
  onProgress: ({ calls, failures }) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${calls} of ${options.calls} calls, ${failures.length} failed`);
  },
});
if (process.stderr.isTTY) process.stderr.write('\n');
if (options.report !== undefined) writeFileSync(options.report, JSON.stringify(report));
process.stdout.write(reportText(report));
process.exitCode = report.failures.length === 0 ? 0 : 1;
