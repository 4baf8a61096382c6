import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { isNewestLibtorch } from './newestLibtorch.case.js';
import { ensureAddonPath } from './setup/addon.js';

it('the generated files are what the generator makes of the allow-list and the schemas in use', () => {
  const generator = fileURLToPath(new URL('../gen/generateOps.mjs', import.meta.url));
  const env = { ...process.env, HALFWAY_ADDON: process.env['HALFWAY_ADDON'] ?? ensureAddonPath() };
  const { stderr } = spawnSync(process.execPath, [generator, '--check'], { env, encoding: 'utf8' });
  const differing = [...stderr.matchAll(/^(.*) is not what/gm)].map(([, name]) => name);
  // The typed operators are those of every supported libtorch, the list of all of aten's that of the newest.
  expect(differing, stderr).toEqual(isNewestLibtorch ? [] : ['atenOperators.gen.ts']);
});
