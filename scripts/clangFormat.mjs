// Formats the C++ sources, or checks that they are formatted: node scripts/clangFormat.mjs --write | --check

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const modes = { '--check': ['--dry-run', '--Werror'], '--write': ['-i'] };
const options = modes[process.argv[2]];
if (options === undefined || process.argv.length !== 3) {
  process.stderr.write(`clangFormat: one of --check and --write is needed, got "${process.argv.slice(2).join(' ')}"\n`);
  process.exit(2);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const folders = ['native', 'src/setup'].map((name) => join(root, 'packages/torch', name));
const files = folders.flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => /\.(cc|h)$/.test(name))
    .map((name) => join(folder, name)),
);
const program = join(root, 'node_modules/.bin/clang-format');
const { status, error } = spawnSync(program, [...options, '--style=file', ...files], { cwd: root, stdio: 'inherit' });
if (error !== undefined) {
  process.stderr.write(`clangFormat: ${program} must start, got: ${error.message}; run: npm ci\n`);
  process.exit(1);
}
if (status !== 0) process.stderr.write('clangFormat: the C++ sources must be formatted; run: npm run format\n');
process.exitCode = status ?? 1;
