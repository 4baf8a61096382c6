// Usage: node packages/torch/gen/generateOps.mjs [--check]
// Writes src/ops.gen.ts from ops.json and the schemas of the libtorch in use; --check only compares and exits 1 on a difference.
// The addon is the one named by HALFWAY_ADDON, else the built one.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { renderOps } from './renderOps.mjs';

const output = fileURLToPath(new URL('../src/ops.gen.ts', import.meta.url));
const allowList = JSON.parse(readFileSync(new URL('ops.json', import.meta.url), 'utf8'));

async function loadAddon() {
  const addonModule = { exports: {} };
  process.dlopen(addonModule, process.env.HALFWAY_ADDON ?? (await import('../dist/setup/index.js')).ensureAddonPath());
  return addonModule.exports;
}

const addon = await loadAddon();
const groups = Object.entries(allowList).map(([title, entries]) => ({
  title,
  ops: entries.map((entry) => {
    const [name, overload = ''] = entry.split('.');
    return { name, overload, ...addon.describeOperator(addon.resolve(`aten::${name}`, overload)) };
  }),
}));
const text = await format(renderOps(groups), { ...(await resolveConfig(output)), filepath: output });

if (process.argv.includes('--check')) {
  if (readFileSync(output, 'utf8') !== text) {
    process.stderr.write(
      'ops.gen.ts is not what gen/generateOps.mjs makes; run: node packages/torch/gen/generateOps.mjs\n',
    );
    process.exitCode = 1;
  }
} else {
  writeFileSync(output, text);
}
