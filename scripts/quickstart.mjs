// `npm run quickstart`: everything from nothing, then the main job on the photos that come with the repository.
// Arguments go to `halfway quickstart`: npm run quickstart -- --help

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { prepareOrExit, root, run, say } from './start.mjs';

await prepareOrExit();
const program = join(root, 'packages/ssl/bin/halfway.js');
if (!existsSync(program)) {
  say(`quickstart: ${program} must be there; the checkout is incomplete: git status`);
  process.exit(1);
}
// Ctrl-C reaches the program too, since it is in our process group: it saves and stops, and we wait for it.
process.on('SIGINT', () => undefined);
process.exitCode =
  (await run(process.execPath, [program, 'quickstart', ...process.argv.slice(2)], { stdout: 'inherit' })) ?? 1;
