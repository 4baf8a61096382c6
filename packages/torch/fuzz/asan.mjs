// Usage: node packages/torch/fuzz/asan.mjs [--calls N] [--seed N] [--raw] [--report FILE]
// The calls of hostileCalls.mjs with an addon built with AddressSanitizer (into a cache folder of its own; g++ is needed): reading or
// writing outside of a block, or after its end, ends the process with a report. It sees the addon's code and the memory functions that
// libtorch calls; for libtorch's own loops the addon puts a page that nobody may touch behind every tensor (native/allocator.cc). Leaks
// are not looked for: Node and libtorch keep memory to the end.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../dist/setup/cacheFolder.js';
import { buildAddon } from '../dist/setup/compile.js';
import { requireCompiler } from '../dist/setup/compiler.js';
import { locate } from '../dist/setup/locate.js';
import { streamLog } from '../dist/setup/setupLog.js';
import { reportText } from './reportText.mjs';
import { sweep } from './sweep.mjs';

const flags = ['-fsanitize=address', '-fno-omit-frame-pointer', '-g1'];
// The runtimes have to be there before all else: Node itself was built without them.
const runtimes = ['libasan.so', 'libstdc++.so.6'];
const sanitizerOptions = ['detect_leaks=0', 'allocator_may_return_null=1', 'allow_user_segv_handler=0'];

const { values: options } = parseArgs({
  options: {
    calls: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '0' },
    raw: { type: 'boolean', default: false },
    report: { type: 'string' },
  },
});
const { libtorch } = locate();
if (libtorch === undefined) throw new Error('asan: libtorch must be there, got none; run: npx halfway-torch setup');
const { command, kind } = await requireCompiler(process.env);
if (kind !== 'gcc') throw new Error(`asan: the compiler must be g++, got ${kind}; set CXX=g++`);

const buildEnv = {
  ...process.env,
  CXX: [...command, ...flags].join(' '),
  HALFWAY_CACHE: join(cacheFolder(process.env).root, 'asan'),
};
const { path } = await buildAddon(libtorch, { env: buildEnv, log: streamLog(process.stderr) });
const report = sweep({
  calls: Number(options.calls),
  seed: Number(options.seed),
  isRaw: options.raw,
  isAddressSpaceLimited: false, // the shadow memory is larger than any limit
  env: {
    ...process.env,
    HALFWAY_ADDON: path,
    LD_PRELOAD: runtimes.map((name) => fileOf(name)).join(' '),
    ASAN_OPTIONS: sanitizerOptions.join(':'),
  },
});
if (options.report !== undefined) writeFileSync(options.report, JSON.stringify(report));
process.stdout.write(reportText(report));
process.exitCode = report.failures.length === 0 ? 0 : 1;

function fileOf(library) {
  return execFileSync(command[0], [`-print-file-name=${library}`], { encoding: 'utf8' }).trim();
}
