import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { ensureAddonPath } from './setup/addon.js';

it('ops.gen.ts and atenOperators.gen.ts are what the generator makes of the allow-list and the schemas in use', () => {
  const generator = fileURLToPath(new URL('../gen/generateOps.mjs', import.meta.url));
  const env = { ...process.env, HALFWAY_ADDON: process.env['HALFWAY_ADDON'] ?? ensureAddonPath() };
  expect(() =>
    execFileSync(process.execPath, [generator, '--check'], { env, stdio: ['ignore', 'ignore', 'pipe'] }),
  ).not.toThrow();
});
