import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cacheFolder, prepareCacheFolder } from './cacheFolder.js';
import { SetupError, type SetupFailure } from './errors.js';
import { FakeMachine, type PipBehaviour, recordingLog } from './fakeMachine.case.js';
import { type Pins, installLibtorch } from './install.js';
import { removeLeftovers } from './leftovers.js';
import { locate } from './locate.js';

describe('installLibtorch', () => {
  let machine: FakeMachine;
  let pins: Pins;
  beforeEach(() => {
    machine = new FakeMachine();
    pins = machine.wheels();
    prepareCacheFolder(cacheFolder(machine.env()));
  });
  afterEach(() => {
    machine.remove();
  });

  const log = recordingLog();
  const install = (from: string[] = [], more: { force?: boolean; part?: 'cpu' | 'cuda' } = {}) =>
    installLibtorch({
      ...{ cache: cacheFolder(machine.env()), env: machine.env(), log, part: 'cpu', from, force: false, pins },
      ...more,
    });
  const installed = (...path: string[]) => join(machine.cache, 'libtorch/2.15.0-cpu', ...path);
  const leftovers = () =>
    ['libtorch', 'downloads'].flatMap((folder) =>
      readdirSync(join(machine.cache, folder)).filter((name) => name !== '2.15.0-cpu'),
    );

  async function failure(body: Promise<unknown>): Promise<{ failure: SetupFailure; message: string }> {
    const error: unknown = await body.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof SetupError)) throw new Error('a SetupError was expected', { cause: error });
    return error;
  }

  it('unpacks what the CPU needs, marks it complete and leaves no wheel', async () => {
    machine.python();
    const libtorch = await install();
    expect(libtorch.root).toBe(installed('torch'));
    expect(existsSync(installed('nvidia/cu13/lib/libcudart.so.99'))).toBe(true);
    for (const unwanted of [
      'torch/lib/libtorch_cuda.so',
      'torch/lib/libtorch_python.so',
      'nvidia/cu13/lib/libother.so',
    ]) {
      expect(existsSync(installed(unwanted)), unwanted).toBe(false);
    }
    expect(JSON.parse(readFileSync(installed('.complete'), 'utf8'))).toMatchObject({
      version: '2.15.0',
      part: 'cpu',
      wheels: pins.cpu.map(({ file, sha256 }) => ({ file, sha256 })),
    });
    expect(leftovers()).toEqual([]);
    expect(locate(machine.env()).libtorch).toEqual(libtorch);
    const calls = readFileSync(machine.pipCalls, 'utf8');
    expect(calls).toMatch(
      /--require-hashes.*--python-version 3\.11 --implementation cp.*--platform manylinux_2_28_x86_64/,
    );
  });

  it('does nothing the second time, and all of it again when forced', async () => {
    machine.python();
    await install();
    await install();
    expect(machine.numPipCalls()).toBe(2);
    await install([], { force: true });
    expect(machine.numPipCalls()).toBe(4);
    expect(leftovers()).toEqual([]);
  });

  it('keeps the CUDA libraries in the CUDA part', async () => {
    machine.python();
    const libtorch = await install([], { part: 'cuda' });
    expect(libtorch.hasCuda).toBe(true);
    expect(existsSync(join(libtorch.root, '../nvidia/cu13/lib/libother.so'))).toBe(true);
    expect(existsSync(join(libtorch.root, 'lib/libtorch_python.so'))).toBe(false);
  });

  it.each<[PipBehaviour, SetupFailure, RegExp, number]>([
    [
      'offline',
      'no-network',
      /could not reach its package index for torch 2\.15\.0 .*--from torch-2\.15\.0-\S+\.whl$/,
      1,
    ],
    ['corrupt', 'corrupt-wheel', /did not arrive as published .*npx halfway-torch setup$/, 2],
    ['truncated', 'corrupt-wheel', /did not arrive as published .*npx halfway-torch setup$/, 2],
    ['disk-full', 'disk-full', /is full; free some space.*npx halfway-torch setup$/, 1],
  ])('explains a pip that is %s', async (behaviour, kind, message, numCalls) => {
    machine.python(behaviour);
    const error = await failure(install());
    expect(error.failure).toBe(kind);
    expect(error.message).toMatch(message);
    expect(machine.numPipCalls()).toBe(numCalls);
    expect(leftovers()).toEqual([]);
    expect(locate(machine.env()).libtorch).toBeUndefined();
  });

  it('says how to get pip, and how to get Python', async () => {
    machine.python('serve', false);
    const pipless = await failure(install());
    expect(pipless.failure).toBe('no-pip');
    expect(pipless.message).toMatch(
      /none of python3 -m pip, python -m pip, pip3, pip works; .*sudo apt install python3-pip.*--from/,
    );
    machine.script('python3', 'exit 1');
    expect((await failure(install())).message).toMatch(/Python 3\.8 or newer is needed .*sudo apt install python3/);
  });

  it('begins an interrupted installation anew', async () => {
    machine.python();
    // Killed while unpacking: a folder aside, a target without its marker, half a wheel.
    mkdirSync(join(machine.cache, 'libtorch/.partial-abc/torch'), { recursive: true });
    mkdirSync(join(machine.cache, 'downloads/.partial-xyz'), { recursive: true });
    mkdirSync(installed('torch/lib'), { recursive: true });
    writeFileSync(installed('torch/lib/libtorch_cpu.so'), 'half');
    const [torch, runtime] = pins.cpu;
    copyFileSync(join(machine.served, torch.file), join(machine.cache, 'downloads', torch.file));
    truncateSync(join(machine.cache, 'downloads', torch.file), 500);
    copyFileSync(join(machine.served, runtime?.file ?? ''), join(machine.cache, 'downloads', runtime?.file ?? ''));
    removeLeftovers(cacheFolder(machine.env()));
    await install();
    expect(machine.numPipCalls()).toBe(1); // the whole wheel was used as it was, the damaged one fetched again
    expect(leftovers()).toEqual([]);
    expect(locate(machine.env()).libtorch?.root).toBe(installed('torch'));
  });

  it('takes wheels from disk, with those that lie beside, and without pip', async () => {
    machine.python('offline', false);
    const libtorch = await install([join(machine.served, pins.cpu[0].file)]);
    expect(libtorch.root).toBe(installed('torch'));
    expect((await install([machine.served], { force: true })).root).toBe(installed('torch'));
    expect(machine.numPipCalls()).toBe(0);
  });

  it('downloads what the pinned wheel from disk needs and lacks', async () => {
    machine.python();
    mkdirSync(join(machine.root, 'alone'));
    const wheel = join(machine.root, 'alone', pins.cpu[0].file);
    copyFileSync(join(machine.served, pins.cpu[0].file), wheel);
    await install([wheel]);
    expect(machine.numPipCalls()).toBe(1);
  });

  it('names a truncated wheel, pinned or not, and installs nothing', async () => {
    machine.python();
    const pinned = join(machine.served, pins.cpu[0].file);
    const other = join(machine.root, 'torch-2.14.0-cp312-cp312-manylinux_2_28_x86_64.whl');
    copyFileSync(pinned, other);
    truncateSync(other, 400);
    const unpinned = await failure(install([other]));
    expect(unpinned.failure).toBe('corrupt-wheel');
    expect(unpinned.message).toMatch(
      /torch-2\.14\.0\S+ is not a complete wheel \(File is not a zip file\); download it again/,
    );
    truncateSync(pinned, 400);
    const known = await failure(install([pinned]));
    expect(known.failure).toBe('corrupt-wheel');
    expect(known.message).toMatch(
      /must have the SHA-256 .* \(400 bytes\): it is damaged or incomplete; fetch it again: pip download/,
    );
    expect(leftovers()).toEqual([]);
  });

  it('notices a wheel whose content is damaged', async () => {
    machine.python();
    const bytes = readFileSync(join(machine.served, pins.cpu[0].file));
    const at = bytes.indexOf('torch/version.py') + 'torch/version.py'.length;
    for (let i = at; i < at + 8; i++) bytes[i] = (bytes[i] ?? 0) ^ 0xff;
    const path = machine.write('torch-2.14.0-cp312-cp312-linux_x86_64.whl', bytes);
    expect((await failure(install([path]))).failure).toBe('corrupt-wheel');
    expect(leftovers()).toEqual([]);
  });

  it.each<[string, SetupFailure, RegExp]>([
    [
      'torch-2.9.1-cp311-cp311-manylinux_2_28_x86_64.whl',
      'libtorch-unusable',
      /2\.11 or newer is needed, got torch-2\.9\.1/,
    ],
    ['torch-2.15.0-cp311-cp311-win_amd64.whl', 'wrong-wheel', /it is for win_amd64, not Linux x86-64/],
    [
      'torch-2.15.0-cp311-cp311-manylinux_2_28_aarch64.whl',
      'wrong-wheel',
      /not Linux x86-64.*fetch one with: pip download/,
    ],
    ['numpy-2.0-cp311-cp311-linux_x86_64.whl', 'wrong-wheel', /no torch-\*\.whl there/],
  ])('refuses %s', async (name, kind, message) => {
    machine.python();
    const error = await failure(install([machine.write(name, 'any')]));
    expect(error.failure).toBe(kind);
    expect(error.message).toMatch(message);
  });

  it('names a path that is not there', async () => {
    expect((await failure(install(['/nowhere/torch.whl']))).message).toMatch(/must exist, got \/nowhere\/torch\.whl/);
  });

  it('says which wheels an unpinned CUDA wheel needs beside it', async () => {
    machine.python();
    const path = join(machine.root, 'torch-2.14.0-cp312-cp312-manylinux_2_28_x86_64.whl');
    copyFileSync(join(machine.served, pins.cpu[0].file), path);
    const error = await failure(install([path]));
    expect(error.failure).toBe('libtorch-unusable');
    expect(error.message).toMatch(/needs libcudart\.so\.99.*use a "\+cpu" wheel.*nvidia_cuda_runtime/);
  });
});
