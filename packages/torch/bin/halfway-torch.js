#!/usr/bin/env node
// The command `halfway-torch`. Committed plain JavaScript, because npm links no command whose file is missing at install.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const program = new URL('../dist/command.js', import.meta.url);
if (existsSync(fileURLToPath(program))) {
  const { main } = await import(program.href);
  process.exitCode = await main(process.argv.slice(2));
} else {
  process.stderr.write('halfway-torch: the program is not built yet; run: npm ci && npx tsc -b\n');
  process.exitCode = 1;
}
