/**
 * `--device cuda` as a user runs it: on the GPU that is here, or else on a machine whose GPUs have the CPU's kernels. That one shows that
 * nothing is left on the other device; only a GPU shows its kernels.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deviceProblem } from '@halfway/torch';
import { afterAll, describe, expect, it } from 'vitest';
import { CudaDouble } from '../../../torch/src/setup/cudaDouble.case.js';
import { locate } from '../../../torch/src/setup/locate.js';
import { folderOf, picture } from '../data/photos.case.js';
import { scratchFolder } from '../run/scratch.case.js';
import { lastJson, runProgram, type ProgramResult } from './runProgram.case.js';

const { libtorch } = locate();
if (libtorch === undefined) throw new Error('internal: this test needs a libtorch; run: npm test');
const double = deviceProblem('cuda') === undefined ? undefined : new CudaDouble(libtorch);
afterAll(() => double?.remove());
const env = double?.environment({ hasDriver: true, cudaLibrary: 'whole', numGpus: 1 }).env;

const photos = folderOf(
  Object.fromEntries(
    await Promise.all(
      Array.from({ length: 40 }, async (_, i) => [
        `${i % 2 === 0 ? 'even' : 'odd'}/${i}.jpg`,
        await picture(i, 48, 48).jpeg().toBuffer(),
      ]),
    ),
  ) as Record<string, Buffer>,
);
const newOut = (): string => join(mkdtempSync(join(scratchFolder(), 'cuda-')), 'run');

/** A command that succeeds on the machine with the GPU. */
async function runOnGpu(...args: string[]): Promise<ProgramResult> {
  const result = await runProgram(args, undefined, env);
  expect(result.code, result.stderr).toBe(0);
  return result;
}

function pretrainArgs(recipe: string, out: string): string[] {
  const sizes = [
    'train.batch=4',
    'train.logEvery=1',
    'train.threads=1',
    'data.decodeProcesses=1',
    'train.imagesEvery=2',
  ];
  return [
    ...['pretrain', '--recipe', recipe, '--data', photos, '--out', out, '--steps', '4', '--json'],
    ...sizes.flatMap((setting) => ['--set', setting]),
  ];
}

const lossesOf = (out: string): number[] =>
  readFileSync(join(out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { loss: number }).loss);

describe('--device cuda', { timeout: 240_000 }, () => {
  it.each([
    'vicreg-rot',
    'vicreg-rot-crossattn',
    'vicreg-rot-augself',
    'simclr-rot',
    'sie-rot',
    'dino',
    'ibot',
    'dinov2',
  ])('small/%s starts as on the CPU, trains, and makes its pictures', async (name) => {
    const [onGpu, onCpu] = [newOut(), newOut()];
    await runOnGpu(...pretrainArgs(`small/${name}`, onGpu), '--set', 'train.computeDtype=float32');
    const cpu = await runProgram([...pretrainArgs(`small/${name}`, onCpu), '--set', 'train.computeDtype=float32']);
    expect(cpu.code, cpu.stderr).toBe(0);
    const [losses, expected] = [lossesOf(onGpu), lossesOf(onCpu)];
    expect(losses.length).toBe(4);
    // The first loss has seen the same weights and views.
    expect(losses[0]).toBeCloseTo(expected[0] ?? NaN, 3);
    expect(losses.every(Number.isFinite)).toBe(true);
  });

  it('a run goes on, and its encoder is evaluated', async () => {
    const out = newOut();
    // A GPU says at once whether it is faster in bfloat16; a CPU without such products needs minutes for the same question.
    const dtype = double === undefined ? 'auto' : 'float32';
    const args = [...pretrainArgs('small/dinov2', out), '--set', `train.computeDtype=${dtype}`];
    await runOnGpu(...args, '--device', 'cuda', '--set', 'train.checkpointEvery=2');
    await runOnGpu('pretrain', '--out', out, '--resume', '--json');
    const report = await runOnGpu('eval', out, '--tasks', 'knn', '--data', photos, '--device', 'cuda', '--json');
    expect(lastJson(report)).toHaveProperty('tasks');
  });
});
