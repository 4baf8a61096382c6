// Usage: node packages/torch/gen/generateOps.mjs [--check]
// Writes src/ops.gen.ts from ops.json, and src/atenOperators.gen.ts, both by the schemas of the libtorch in use; --check only compares
// and exits 1 on a difference. The addon is the one named by HALFWAY_ADDON, else the built one.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { renderAtenOperators } from './renderAtenOperators.mjs';
import { renderOps } from './renderOps.mjs';

const allowList = JSON.parse(readFileSync(new URL('ops.json', import.meta.url), 'utf8'));

async function loadAddon() {
  const addonModule = { exports: {} };
  process.dlopen(addonModule, process.env.HALFWAY_ADDON ?? (await import('../dist/setup/index.js')).ensureAddonPath());
  return addonModule.exports;
}

const addon = await loadAddon();

/** An operator of aten with its schema, by `name` or `name.overload`. */
function describe(entry) {
  const [name, overload = ''] = entry.split('.');
  return { name, overload, ...addon.describeOperator(addon.resolve(`aten::${name}`, overload)) };
}

async function update(fileName, text) {
  const path = fileURLToPath(new URL(`../src/${fileName}`, import.meta.url));
  const formatted = await format(text, { ...(await resolveConfig(path)), filepath: path });
  if (!process.argv.includes('--check')) {
    writeFileSync(path, formatted);
  } else if (readFileSync(path, 'utf8') !== formatted) {
    process.stderr.write(
      `${fileName} is not what gen/generateOps.mjs makes; run: node packages/torch/gen/generateOps.mjs\n`,
    );
    process.exitCode = 1;
  }
}

const groups = Object.entries(allowList).map(([title, entries]) => ({ title, ops: entries.map(describe) }));
await update('ops.gen.ts', renderOps(groups));

const atenNames = addon.operatorNames().filter((name) => name.startsWith('aten::'));
await update(
  'atenOperators.gen.ts',
  renderAtenOperators(atenNames.sort().map((name) => describe(name.slice('aten::'.length)))),
);
