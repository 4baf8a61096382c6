// 5,000 random hostile calls of the typed operators, in child processes under a memory budget and a time limit. fuzz/hostileCalls.mjs
// makes the calls and says what counts as a good end; it runs on the build (dist), as a user's program does.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { ensureAddonPath } from './setup/addon.js';

const program = fileURLToPath(new URL('../fuzz/hostileCalls.mjs', import.meta.url));
const build = fileURLToPath(new URL('../dist/index.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'halfway-hostile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const callsEach = 1250;
const limitMs = 100_000;

interface Tally {
  readonly calls: number;
  readonly results: number;
  readonly gradients: number;
  readonly errors: Readonly<Record<string, number>>;
}

describe('hostile calls', () => {
  it.each([101, 102, 103, 104])(
    'seed %i: each ends in a typed error or a result',
    (seed) => {
      expect(existsSync(build), 'the package must be built first: npm run build').toBe(true);
      const log = join(folder, `${seed}.log`);
      const env = { ...process.env, HALFWAY_ADDON: process.env['HALFWAY_ADDON'] ?? ensureAddonPath() };
      const args = ['--max-old-space-size=512', program, '--seed', `${seed}`, '--calls', `${callsEach}`, '--log', log];
      const child = spawnSync(process.execPath, args, {
        env,
        encoding: 'utf8',
        timeout: limitMs,
        killSignal: 'SIGKILL',
      });
      const last = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n').at(-1) : '';
      expect([child.status, child.signal], `the last call was ${last ?? ''}\n${child.stderr.slice(-2000)}`).toEqual([
        0,
        null,
      ]);
      const tally = JSON.parse(child.stdout.trimEnd().split('\n').at(-1) ?? '') as Tally;
      expect(tally.calls).toBe(callsEach);
      // The values are not all nonsense: about a third of the calls work, and gradients are computed.
      expect(tally.results).toBeGreaterThan(callsEach / 5);
      expect(tally.gradients).toBeGreaterThan(10);
      expect(Object.keys(tally.errors)).toEqual(expect.arrayContaining(['ShapeError', 'DtypeError', 'TorchError']));
    },
    limitMs + 10_000,
  );
});
