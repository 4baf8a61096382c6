// How the engine comes to CUDA (native/accelerator.cc), with doubles of the driver and of libtorch's CUDA part: what is opened in which
// order, that it is opened in time, and what is said where something is missing. No GPU code is run. What is done there: ../device.test.ts.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { ensureAddonPath } from './addon.js';
import { CudaDouble, type CudaMachine } from './cudaDouble.case.js';
import { tryAddon } from './loadTest.js';
import { locate } from './locate.js';

const { libtorch } = locate();
if (libtorch === undefined) throw new Error('internal: this test needs a libtorch; run: npm test');
const built = (path: string) => fileURLToPath(new URL(`../../dist/${path}`, import.meta.url));
const tried = (machine: CudaMachine, double: CudaDouble, env: Record<string, string> = {}) =>
  tryAddon(
    ensureAddonPath(),
    { ...process.env, ...double.environment(machine).env, ...env },
    built('setup/tryEngine.js'),
  );

const withGpu: CudaMachine = { hasDriver: true, cudaLibrary: 'whole', numGpus: 1 };
const openedForGpu = ['halfway.node LAZY LOCAL', 'libcuda.so.1 LAZY LOCAL', 'libtorch_cuda.so NOW GLOBAL'];

/** A program that does something on the CPU, then makes a tensor on the GPU and prints its device or the error. */
const askAfter = (onCpu: string, device = 'cuda') => `
const torch = await import(${JSON.stringify(built('index.js'))});
${onCpu}
try {
  console.log(torch.ones([2], { device: '${device}' }).device);
} catch (error) {
  console.log(error.name + ': ' + error.message);
}`;

interface Refusal {
  readonly name: string;
  readonly machine: CudaMachine;
  readonly env?: Record<string, string>;
  readonly message: RegExp;
  readonly opened: readonly string[];
}

const refusals: readonly Refusal[] = [
  {
    name: 'there is no driver',
    machine: { ...withGpu, hasDriver: false },
    message: /the NVIDIA driver could not be opened \(libcuda\.so\.1: .*\); install it .*, or use the device cpu$/,
    opened: openedForGpu.slice(0, 2),
  },
  {
    name: 'libtorch has no CUDA part',
    machine: { ...withGpu, cudaLibrary: 'absent' },
    message:
      /this libtorch is a CPU build \(there is no \S+\/libtorch_cuda\.so\); run: npx halfway-torch setup --cuda$/,
    opened: openedForGpu.slice(0, 2),
  },
  {
    name: 'the CUDA part lacks a library',
    machine: { ...withGpu, cudaLibrary: 'broken' },
    message:
      /CUDA part could not be opened \(libmissing\.so: .*\); install a whole one: npx halfway-torch setup --cuda$/,
    opened: openedForGpu,
  },
  {
    name: 'the driver knows no GPU',
    machine: { ...withGpu, numGpus: 0 },
    message: /the NVIDIA driver reports no GPU that this libtorch can use; look at: nvidia-smi$/,
    opened: openedForGpu,
  },
  {
    name: 'the user hides the GPUs, as decode processes do',
    machine: withGpu,
    env: { CUDA_VISIBLE_DEVICES: '' },
    message: /CUDA_VISIBLE_DEVICES hides every GPU; unset it$/,
    opened: openedForGpu.slice(0, 1),
  },
];

// Where the system has a driver of its own, nothing hides it.
const hasRealDriver = existsSync('/dev/nvidiactl');
const canBe = ({ machine }: { readonly machine: CudaMachine }): boolean => machine.hasDriver || !hasRealDriver;

describe('the way to CUDA', () => {
  const double = new CudaDouble(libtorch);
  afterAll(() => {
    double.remove();
  });

  it.each([
    ['a tensor on the GPU comes first', ''],
    [
      'libtorch asked for CUDA before, in a backward pass on the CPU',
      'torch.ones([1]).requiresGrad_().sum().backward();',
    ],
  ])('opens driver and library in this order, with the addon: %s', async (_, onCpu) => {
    const { stdout, opened } = await double.run(withGpu, askAfter(onCpu));
    expect(opened).toEqual(openedForGpu);
    expect(stdout).toBe('cuda:0\n');
  });

  it.each(refusals.filter(canBe))(
    'never falls back to the CPU where $name, but says why',
    async ({ machine, env, message, opened }) => {
      const run = await double.run(machine, askAfter(''), env);
      expect(run.stdout.trimEnd()).toMatch(/^DeviceError: ones: device cuda cannot be used: /);
      expect(run.stdout.trimEnd()).toMatch(message);
      expect(run.opened).toEqual(opened);
    },
  );

  it('refuses a GPU beyond the last', async () => {
    const { stdout } = await double.run({ ...withGpu, numGpus: 2 }, askAfter('', 'cuda:2'));
    expect(stdout).toBe(
      'DeviceError: ones: device cuda:2 cannot be used: the last GPU here is cuda:1; use it or one before it\n',
    );
  });

  it('tells doctor which parts were seen to work', async () => {
    const { ok, cudaProblem, cudaParts } = await tried(withGpu, double);
    expect({ ok, cudaProblem }).toEqual({ ok: true, cudaProblem: '' });
    expect(cudaParts.length).toBeGreaterThan(5);
    expect(cudaParts.filter(({ problem }) => problem !== '')).toEqual([]);
  });

  it('tells doctor what was seen before a part that ends the process', async () => {
    const program = join(mkdtempSync(join(tmpdir(), 'halfway-crash-')), 'crash.mjs');
    const seen = { threads: 1, cudaProblem: '', cudaParts: [{ name: 'attention', problem: 'it ended the process' }] };
    writeFileSync(program, `console.log('${JSON.stringify(seen)}'); process.kill(process.pid, 'SIGSEGV');`);
    expect(await tryAddon('no addon', process.env, program)).toMatchObject({ ok: true, ...seen });
    rmSync(dirname(program), { recursive: true });
  });

  it.each(refusals.filter(canBe))('tells doctor where $name, and the CPU works', async ({ machine, env, message }) => {
    const load = await tried(machine, double, env);
    expect(load).toMatchObject({
      ...{ ok: true, cudaProblem: expect.stringMatching(message) as string, cudaParts: [] },
    });
  });
});
