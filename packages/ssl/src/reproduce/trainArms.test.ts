/** Two real trainings, side by side and in turn: stopped together, gone on with, not repeated, and one that fails takes the other along. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configText } from '../config/recipe.js';
import { photoSource } from '../data/photos.case.js';
import { RunError } from '../errors.js';
import { checkpointSteps } from '../run/checkpoint.js';
import { RunFolder } from '../run/runFolder.js';
import { scratchFolder, tinyConfig } from '../run/scratch.case.js';
import { InterruptedError } from '../train/pretrain.js';
import { trainArms, type Arm, type ArmProgress, type TrainArmsOptions } from './trainArms.js';

const scratch = scratchFolder();
const photos = await photoSource(6);
const recipe = join(scratch, 'tiny.yaml');
writeFileSync(recipe, configText(tinyConfig('train.checkpointEvery=1000000')));

const LONG = 1_000_000; // steps that only a signal ends

/** The plain base and the task in a new folder. */
function twoArms(steps: number): [Arm, Arm] {
  const out = mkdtempSync(join(scratch, 'arms-'));
  const shared = { recipe, data: photos.paths, seed: 3, steps };
  return [
    { ...shared, name: 'base', runDir: join(out, 'base'), settings: ['recon.target=none'] },
    { ...shared, name: 'task', runDir: join(out, 'task'), settings: [] },
  ];
}

function options(onProgress: TrainArmsOptions['onProgress'] = () => undefined): TrainArmsOptions {
  return { atOnce: 2, onProgress, signal: new AbortController().signal };
}

// Each case starts two to four processes, which takes long where the cores are busy.
describe('trainArms', { timeout: 180_000 }, () => {
  it('trains all to the end, does not train again what is finished, and refuses other numbers in the same folder', async () => {
    const arms = twoArms(4);
    const summaries = await trainArms(arms, options());
    expect(summaries.map(({ run, steps }) => [run, steps])).toEqual(arms.map(({ runDir }) => [runDir, 4]));
    expect(summaries.map(({ final }) => 'recon' in final)).toEqual([false, true]);
    expect(await trainArms(arms, options())).toEqual(summaries);

    const longer = arms.map((arm) => ({ ...arm, steps: 5 }));
    await expect(trainArms(longer, options())).rejects.toThrow(
      `got 5 steps with seed 3 for ${arms[0].runDir}, which has 4 steps with seed 3; choose another folder with --out`,
    );
  });

  it('stopped, waits until every arm has saved; the same call goes on with them', async () => {
    const arms = twoArms(LONG);
    const controller = new AbortController();
    const onProgress = (running: readonly ArmProgress[]): void => {
      if (running.every(({ last }) => last !== undefined)) controller.abort();
    };
    await expect(trainArms(arms, { ...options(onProgress), signal: controller.signal })).rejects.toThrow(
      InterruptedError,
    );
    for (const { runDir } of arms) {
      const { status, step } = RunFolder.open(runDir).manifest();
      expect([status, checkpointSteps(runDir).at(-1)]).toEqual(['interrupted', step]);
    }
    const before = arms.map(({ runDir }) => RunFolder.open(runDir).manifest().step);

    const again = new AbortController();
    const hasGoneOn = ({ last }: ArmProgress, i: number): boolean => (last?.step ?? 0) > (before[i] ?? Infinity);
    const stopWhenFurther = (running: readonly ArmProgress[]): void => {
      if (running.every(hasGoneOn)) again.abort();
    };
    await expect(trainArms(arms, { ...options(stopWhenFurther), signal: again.signal })).rejects.toThrow(
      'study: stopped, what was trained is saved; the same command goes on',
    );
    await expect(trainArms(arms, { ...options(), signal: AbortSignal.abort() })).rejects.toThrow(InterruptedError);
  });

  it('says which arm failed and why, after the other was saved and stopped', async () => {
    const [base, task] = twoArms(LONG);
    const failing = { ...task, settings: ['optim.lr=1e37', 'optim.warmupFraction=0'] };
    const failure: unknown = await trainArms([base, failing], options()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RunError);
    expect(String(failure)).toMatch(
      /training "task" with seed 3 must finish, got: .*must be finite.*\nits whole log is .*train\.log/,
    );
    expect(['interrupted', 'none']).toContain(statusOf(base));
  });

  it('one at a time, the next begins where one ends, and none after one that failed', async () => {
    const arms = twoArms(4);
    const seen = new Set<string>();
    const onProgress = (running: readonly ArmProgress[], numWaiting: number): void => {
      for (const { arm } of running) seen.add(`${arm} runs, ${numWaiting} waiting`);
      expect(running.length).toBeLessThan(2);
    };
    const summaries = await trainArms(arms, { ...options(onProgress), atOnce: 1 });
    expect(summaries.map(({ run }) => run)).toEqual(arms.map(({ runDir }) => runDir));
    expect([...seen]).toEqual(['base runs, 1 waiting', 'task runs, 0 waiting']);

    const [base, task] = twoArms(4);
    const failing = { ...base, settings: ['optim.lr=1e37', 'optim.warmupFraction=0'] };
    await expect(trainArms([failing, task], { ...options(), atOnce: 1 })).rejects.toThrow('training "base"');
    expect(statusOf(task)).toBe('none');
  });
});

/** `none` where the arm was stopped before it had begun. */
function statusOf({ runDir }: Arm): string {
  try {
    return RunFolder.open(runDir).manifest().status;
  } catch {
    return 'none';
  }
}
