// How long `halfway pretrain` takes from the shell to the end of its first step: caches are warm, views have 64 px.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shippedPhotos } from '../packages/ssl/dist/data/sources/shippedPhotos.js';
import { BenchError } from './benchError.mjs';
import { short } from './row.mjs';
import { median, quantile } from './turns.mjs';

const PROGRAM = fileURLToPath(new URL('../packages/ssl/bin/halfway.js', import.meta.url));
const NAME = 'start of `halfway pretrain` to the end of its first step, 64 px, 64 pairs';
const DTYPE = 'auto'; // a start finds out which is faster
const BAR_MS = 2000;
const FIRST_STEP = /\b1\/1 /; // of the row that is printed when the only step is done

/** The row of this suite. */
export async function rows(context) {
  if (!context.begins(NAME, DTYPE)) return [];
  await startMs(); // what it reads lies in the page cache from here on
  const times = [];
  for (let i = 0; i < context.pace.rounds; i++) times.push(await startMs());
  const oursMs = median(times);
  return [
    {
      name: NAME,
      dtype: DTYPE,
      oursMs: short(oursMs),
      peerMs: BAR_MS,
      peer: 'bar',
      ratio: short(oursMs / BAR_MS),
      maxRatio: 1,
      peakRssMB: null,
      peerPeakRssMB: null,
      oursRangeMs: [short(quantile(times, 0.25)), short(quantile(times, 0.75))],
    },
  ];
}

async function startMs() {
  const folder = mkdtempSync(join(tmpdir(), 'halfway-bench-start-'));
  const args = ['pretrain', '--recipe', 'small/vicreg-rot', '--set', 'model.imagePx=64', '--steps', '1'];
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [PROGRAM, ...args, '--data', ...shippedPhotos('train'), '--out', join(folder, 'run')],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  try {
    return await new Promise((resolve, reject) => {
      let [text, ms] = ['', undefined];
      child.stderr.setEncoding('utf8').on('data', (more) => {
        text += more;
        if (FIRST_STEP.test(text)) ms ??= performance.now() - started;
      });
      child.on('error', reject);
      child.on('close', () => {
        if (ms !== undefined) resolve(ms);
        else
          reject(
            new BenchError(`bench: halfway pretrain must make a step, got: ${text.trim()}; run: npx halfway doctor`),
          );
      });
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
