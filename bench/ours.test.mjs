// Our sides of the comparisons still do their work: they use the insides of the built packages.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { loadRecipe } from '../packages/ssl/dist/config/recipe.js';
import { photoFolder } from './photos.mjs';
import { Side, closeAll } from './side.mjs';

afterAll(closeAll);

const { folder, files } = photoFolder();
const few = files.slice(0, 4);
const settings = ['train.batch=4', 'train.threads=1', 'data.decodeProcesses=1', 'train.imagesEvery=0'];
const config = loadRecipe('small/vicreg-rot', settings);
const masked = loadRecipe('small/ibot', settings);
const exchange = join(mkdtempSync(join(tmpdir(), 'halfway-bench-test-')), 'first.safetensors');
const loop = loadRecipe('small/vicreg-rot', [...settings, 'train.steps=4', 'train.logEvery=2']);

it.each([
  ['step', { config, dtype: 'float32' }],
  ['step', { config, dtype: 'float32', rendersViews: true }],
  ['step', { config: masked, dtype: 'float32', exchange }],
  ['views', { config, files: few, sourcePx: 48 }],
  ['decode', { config, files: few, sizePx: 32 }],
  ['overhead', { kind: 'chain' }],
  ['pretrain', { config: loop, folder }],
])('%s %#', async (name, options) => {
  const url = new URL(`./ours/${name}.mjs`, import.meta.url);
  const side = new Side(name, [process.execPath, fileURLToPath(url)], 1);
  await side.prepare(options);
  const { ms } = await side.run(2);
  side.close();
  expect(ms.length).toBe(2);
  for (const time of ms) expect(time).toBeGreaterThan(0);
});
