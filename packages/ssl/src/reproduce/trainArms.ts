/**
 * Trains the arms of one experiment, several side by side, each in a process of its own with its share of the cores, and
 * reports how far they are from their metrics files, as any other reader of a run folder would.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RunError } from '../errors.js';
import type { MetricRow } from '../protocol/metrics.js';
import type { PretrainSummary } from '../protocol/run.js';
import { RunFolder } from '../run/runFolder.js';
import { InterruptedError } from '../train/pretrain.js';
import { armResult, type EndedProcess } from './armResult.js';

const PROGRAM = fileURLToPath(new URL('../../bin/halfway.js', import.meta.url));
const POLL_MS = 1000;

/** One run of the experiment: `halfway pretrain` with these settings. */
export interface Arm {
  readonly name: string;
  readonly runDir: string;
  readonly recipe: string;
  readonly data: readonly string[];
  readonly seed: number;
  /** `--set` values, such as `recon.target=none`. */
  readonly settings: readonly string[];
  readonly steps: number;
}

/** How far an arm is; `last` is absent until its first row of metrics. */
export interface ArmProgress {
  readonly arm: string;
  readonly seed: number;
  readonly steps: number; // in all
  readonly last?: MetricRow;
}

export interface TrainArmsOptions {
  /** How many run at once: where one ends, the next begins. */
  readonly atOnce: number;
  /** Told once a second of those that run, and how many wait for them. */
  readonly onProgress: (running: readonly ArmProgress[], numWaiting: number) => void;
  /** Asks all arms to save and stop. */
  readonly signal: AbortSignal;
}

/**
 * Trains all arms and resolves to their summaries, in order. An arm whose folder holds a finished run is not trained
 * again; an interrupted one goes on where it stopped. When this settles, no arm is running any more.
 *
 * @throws RunError with the last lines of an arm that failed, after the others were saved and stopped; InterruptedError
 * when `signal` stopped them
 */
export async function trainArms(
  arms: readonly Arm[],
  { atOnce, onProgress, signal }: TrainArmsOptions,
): Promise<PretrainSummary[]> {
  arms.forEach(requireSameRun);
  requireNotStopped(signal);
  const waiting = [...arms.entries()];
  const running = new Map<Arm, ChildProcess>();
  const summaries: PretrainSummary[] = [];
  const failures: unknown[] = [];
  const stopAll = (): void => {
    waiting.length = 0;
    for (const child of running.values()) child.kill('SIGTERM');
  };
  const trainWaiting = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [i, arm] = next;
      const child = startArm(arm);
      running.set(arm, child);
      try {
        summaries[i] = await endOf(arm, child);
      } catch (error) {
        failures.push(error);
        stopAll();
      }
      running.delete(arm);
    }
  };
  signal.addEventListener('abort', stopAll);
  const timer = setInterval(() => onProgress([...running.keys()].map(progressOf), waiting.length), POLL_MS);
  try {
    await Promise.all(Array.from({ length: atOnce }, trainWaiting));
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', stopAll);
  }
  requireNotStopped(signal);
  // The first that failed of itself; those that it took with it say only that they were stopped.
  if (failures.length > 0) throw failures.find((error) => !(error instanceof InterruptedError)) ?? failures[0];
  return summaries;
}

/**
 * A folder of an earlier call with other numbers is said before anything is started.
 * @throws RunError
 */
export function requireSameRun({ runDir, steps, seed }: Arm): void {
  if (!hasRun(runDir)) return;
  const { totalSteps, seed: seedThere } = RunFolder.open(runDir).manifest();
  if (totalSteps === steps && seedThere === seed) return;
  throw new RunError(
    `study: a folder holds trainings of one length and seed, got ${steps} steps with seed ${seed} for ${runDir}, ` +
      `which has ${totalSteps} steps with seed ${seedThere}; choose another folder with --out`,
  );
}

function startArm(arm: Arm): ChildProcess {
  const args = [
    ...['pretrain', '--recipe', arm.recipe, '--out', arm.runDir, '--seed', String(arm.seed), '--json'],
    ...['--steps', String(arm.steps), '--data', ...arm.data],
    ...arm.settings.flatMap((setting) => ['--set', setting]),
    ...(hasRun(arm.runDir) ? ['--resume'] : []),
  ];
  return spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function endOf(arm: Arm, child: ChildProcess): Promise<PretrainSummary> {
  const output: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const ended = await new Promise<Pick<EndedProcess, 'status' | 'signal'>>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal }));
  });
  return armResult(arm, { ...ended, ...output });
}

function requireNotStopped(signal: AbortSignal): void {
  if (!signal.aborted) return;
  throw new InterruptedError('study: stopped, what was trained is saved; the same command goes on');
}

/** Whether a training has begun there. */
export function hasRun(runDir: string): boolean {
  return existsSync(join(runDir, 'run.json'));
}

function progressOf({ name, runDir, seed, steps }: Arm): ArmProgress {
  const path = join(runDir, 'metrics.jsonl');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  const line = lines.at(-2); // a line that is being written has no end yet
  return { arm: name, seed, steps, ...(line === undefined ? {} : { last: JSON.parse(line) as MetricRow }) };
}
