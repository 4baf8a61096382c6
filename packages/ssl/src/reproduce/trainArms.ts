/**
 * Trains several arms of one experiment side by side, each in a process of its own with its share of the cores, and
 * reports how far they are from their metrics files, as any other reader of a run folder would.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RunError } from '../errors.js';
import type { MetricRow } from '../protocol/metrics.js';
import type { PretrainSummary } from '../protocol/run.js';

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
  readonly steps?: number;
}

/** How far an arm is; `last` is absent until its first row of metrics. */
export interface ArmProgress {
  readonly arm: string;
  readonly last?: MetricRow;
}

/**
 * Trains all arms at once and resolves to their summaries, in order. An arm whose folder holds a finished run is not
 * trained again; an interrupted one goes on where it stopped.
 *
 * @throws RunError with the last lines of an arm that failed; the others are stopped first
 */
export async function trainArms(
  arms: readonly Arm[],
  onProgress: (progress: readonly ArmProgress[]) => void,
): Promise<PretrainSummary[]> {
  const children: ChildProcess[] = [];
  const stopAll = (): void => {
    for (const child of children) child.kill('SIGTERM');
  };
  const timer = setInterval(() => {
    onProgress(arms.map(progressOf));
  }, POLL_MS);
  try {
    return await Promise.all(arms.map((arm) => trainArm(arm, (child) => children.push(child))));
  } catch (error) {
    stopAll();
    throw error;
  } finally {
    clearInterval(timer);
  }
}

function trainArm(arm: Arm, onStart: (child: ChildProcess) => void): Promise<PretrainSummary> {
  const args = [
    ...['pretrain', '--recipe', arm.recipe, '--out', arm.runDir, '--seed', String(arm.seed), '--json'],
    ...['--data', ...arm.data],
    ...(arm.steps === undefined ? [] : ['--steps', String(arm.steps)]),
    ...arm.settings.flatMap((setting) => ['--set', setting]),
    ...(existsSync(join(arm.runDir, 'run.json')) ? ['--resume'] : []),
  ];
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  onStart(child);
  const output: Record<'stdout' | 'stderr', string> = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      if (status === 0) resolve(JSON.parse(output.stdout.trim().split('\n').at(-1) ?? '') as PretrainSummary);
      else reject(new RunError(failureOf(arm, output.stderr, signal)));
    });
  });
}

function failureOf(arm: Arm, stderr: string, signal: NodeJS.Signals | null): string {
  const reason = stderr.trim().split('\n').slice(-3).join('\n') || `signal ${signal ?? 'unknown'}`;
  return `quickstart: training "${arm.name}" must finish, got:\n${reason}\nrun the same command again to go on where it stopped`;
}

function progressOf({ name, runDir }: Arm): ArmProgress {
  const path = join(runDir, 'metrics.jsonl');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  const line = lines.at(-2); // a line that is being written has no end yet
  return line === undefined ? { arm: name } : { arm: name, last: JSON.parse(line) as MetricRow };
}
