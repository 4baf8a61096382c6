/** `halfway pretrain` as a process: killed in the middle, stopped by a signal, two in one folder. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configText } from '../config/recipe.js';
import { photoSource } from '../data/photos.case.js';
import { checkpointSteps } from '../run/checkpoint.js';
import { scratchFolder, tinyConfig } from '../run/scratch.case.js';
import { lastJson, runProgram } from './runProgram.case.js';

const scratch = scratchFolder();
const photos = await photoSource(6);

// Rows and checkpoints fall on different steps, so that a run goes on in the middle of a row.
const STEPS = 80;
const recipe = join(scratch, 'tiny.yaml');
writeFileSync(recipe, configText(tinyConfig(`train.steps=${STEPS}`, 'train.logEvery=4', 'train.checkpointEvery=7')));

function newOut(): string {
  return join(mkdtempSync(join(scratch, 'case-')), 'run');
}

function argsOf(out: string, ...more: string[]): string[] {
  return ['pretrain', '--recipe', recipe, '--data', ...photos.paths, '--out', out, '--json', ...more];
}

function rowsIn(out: string): Record<string, number>[] {
  const path = join(out, 'metrics.jsonl');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  return lines.map((line) => JSON.parse(line) as Record<string, number>);
}

/** Steps, losses and terms of a run: what has to be equal to the bit. */
function curveOf(out: string): object[] {
  return rowsIn(out).map(({ imagesPerSecond: _rate, dataWaitMs: _wait, stepMs: _ms, ...learned }) => learned);
}

/** Sends a signal as soon as the run has logged a step. */
function signalAfter(step: number, out: string, signal: NodeJS.Signals): (child: ChildProcess) => void {
  return (child) => {
    const timer = setInterval(() => {
      if ((rowsIn(out).at(-1)?.['step'] ?? 0) < step) return;
      clearInterval(timer);
      child.kill(signal);
    }, 2);
    child.on('close', () => clearInterval(timer));
  };
}

// Eight processes of a second each, on a machine that may have other work.
describe('halfway pretrain', { timeout: 240_000 }, () => {
  it('killed at once in the middle and resumed has exactly the losses of a run that was not', async () => {
    const [whole, killed] = [newOut(), newOut()];
    const done = await runProgram(argsOf(whole));
    expect([done.code, done.stderr.includes(`${STEPS}/${STEPS}`)]).toEqual([0, true]);
    expect(Object.keys(lastJson(done))).toEqual(['run', 'steps', 'seconds', 'imagesPerSecond', 'parameters', 'final']);

    const { signal } = await runProgram(argsOf(killed), signalAfter(20, killed, 'SIGKILL'));
    expect(signal).toBe('SIGKILL');
    expect(rowsIn(killed).length).toBeLessThan(rowsIn(whole).length);
    expect(existsSync(join(killed, 'lock.json'))).toBe(true); // it had no time to give it back
    const [newest = 0] = checkpointSteps(killed).slice(-1);

    const resumed = await runProgram(argsOf(killed, '--resume'));
    expect(resumed.stderr).toContain(`steps ${newest} to ${STEPS}`);
    expect(resumed.code).toBe(0);
    expect(curveOf(killed)).toEqual(curveOf(whole));
    expect(lastJson(resumed)['final']).toEqual(lastJson(done)['final']);

    const again = await runProgram(['pretrain', '--out', killed, '--resume', '--json']); // finished, and named by nothing else
    expect([again.code, lastJson(again)]).toEqual([0, lastJson(resumed)]);
    const longer = await runProgram(argsOf(killed, '--resume', '--steps', '200'));
    expect([longer.code, lastJson(longer)['error']]).toEqual([
      1,
      `halfway: --resume: the configuration must be that of the run, got train.steps: 200 where the run has ${STEPS}; give the run's own settings (--resume without --recipe takes them all), or start a new run`,
    ]);
  });

  it('stopped by SIGTERM saves, says how to go on, and ends with 1; while it runs, no other may use its folder', async () => {
    const out = newOut();
    let second: ReturnType<typeof runProgram> | undefined;
    const { code, stderr } = await runProgram(argsOf(out, '--steps', '100000'), (child) => {
      const timer = setInterval(() => {
        if (rowsIn(out).length === 0) return;
        clearInterval(timer);
        second = runProgram(argsOf(out, '--resume', '--steps', '100000')).finally(() => {
          child.kill('SIGTERM');
          child.kill('SIGTERM'); // npx and timeout pass it on once more: still one request
        });
      }, 5);
    });
    expect(await second).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('must belong to one process') as string,
    });
    expect(code).toBe(1);
    expect(stderr).toContain('stopping after this step and saving');
    expect(stderr).toMatch(/halfway: pretrain: stopped at step \d+ of 100000, saved in .*--resume goes on\n$/);
    const stoppedAt = Number(/stopped at step (\d+)/.exec(stderr)?.[1]);
    expect(checkpointSteps(out).at(-1)).toBe(stoppedAt);
    expect(JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'))).toMatchObject({
      status: 'interrupted',
      step: stoppedAt,
    });
    expect(existsSync(join(out, 'export', 'backbone.safetensors'))).toBe(true);
    expect(existsSync(join(out, 'lock.json'))).toBe(false);
  });

  it('started from weights says at its end whether it made better ones, and again when it is asked to resume', async () => {
    const many = await photoSource(40);
    const [first, second] = [newOut(), newOut()];
    const args = ['pretrain', '--recipe', recipe, '--steps', '4', '--data', ...many.paths, '--out'];
    await runProgram([...args, first]);
    const { stdout, stderr, code } = await runProgram([...args, second, '--init', first]);
    expect(code).toBe(0);
    expect(stderr).toContain(
      `start     from ${first}; encoder held for 0 steps while the rest learns, then at lr 0.00005`,
    );
    expect(stderr).toMatch(/matched {5}\d+ tensors\n/);
    expect(stderr).toMatch(/step 0: effective rank \d\.\d of 40 photos, before training\n/);
    const sentence = stdout.trimEnd().split('\n').at(-1) ?? '';
    expect(sentence).toContain(`than ${first}: effective rank over 40 photos `);
    const again = lastJson(await runProgram(['pretrain', '--out', second, '--resume', '--json']));
    expect(again['init']).toMatchObject({ file: first, figure: 'effectiveRank', sentence });
  });
});
