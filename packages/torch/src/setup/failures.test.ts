// Every way in which set-up can fail on a user's machine, forced from outside and met through `setup` itself: what the failure is called,
// that its message ends with what to type next, and that set-up succeeds once the cause is mended. The steps' own tests have the details.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageSources } from './addon.js';
import { detectMachine } from './cpu.js';
import { doctor } from './doctor.js';
import { EngineNotFoundError, SetupError, type SetupFailure } from './errors.js';
import { FakeMachine, type PipBehaviour, recordingLog } from './fakeMachine.case.js';
import type { Pins } from './install.js';
import { MemoryDisk } from './memoryDisk.case.js';
import { type SetupOptions, setup } from './setup.js';

const entry = '#include <ATen/ATen.h>\n#include <node_api.h>\nNAPI_MODULE_INIT() { return exports; }\n';

const memoryDisk = await MemoryDisk.mount(4e6);
afterAll(() => {
  memoryDisk?.remove();
});

describe('a set-up that fails', () => {
  let machine: FakeMachine;
  let pins: Pins;

  beforeEach(() => {
    machine = new FakeMachine();
    machine.python();
    machine.compiler();
    machine.write('native/entry.cc', entry);
    pins = machine.wheels('2.15.0', machine.libraries());
  });
  afterEach(() => {
    machine.remove();
  });

  // The machine's own tools come before this computer's, which the real compiler needs.
  const env = () => machine.env({ PATH: `${machine.bin}:${process.env.PATH ?? ''}` });
  const run = (more: SetupOptions = {}) =>
    setup({ env: env(), log: recordingLog(), pins, sources: packageSources(join(machine.root, 'native')), ...more });

  async function failureOf(body: Promise<unknown>): Promise<{ failure: SetupFailure | 'not-found'; message: string }> {
    const error: unknown = await body.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (error instanceof EngineNotFoundError) return { failure: 'not-found', message: error.message };
    if (error instanceof SetupError) return error;
    throw new Error('an error that explains itself was expected', { cause: error });
  }

  it.each<[PipBehaviour, SetupFailure, RegExp]>([
    [
      'offline',
      'no-network',
      /could not reach its package index .*; check the network or proxy and run npx halfway-torch setup again, .* run: npx halfway-torch setup --from torch-2\.15\.0-\S+\.whl$/,
    ],
    [
      'refusing',
      'download-failed',
      /could not download torch 2\.15\.0 \(ERROR: No matching distribution .*\); .*fetch it elsewhere \(pip download .*\) and run: npx halfway-torch setup --from torch-2\.15\.0-\S+\.whl$/,
    ],
    [
      'corrupt',
      'corrupt-wheel',
      /did not arrive as published .*; check the network.* then run: npx halfway-torch setup$/,
    ],
    [
      'truncated',
      'corrupt-wheel',
      /did not arrive as published .*; check the network.* then run: npx halfway-torch setup$/,
    ],
    [
      'disk-full',
      'disk-full',
      /is full; free some space, or .* HALFWAY_CACHE=\/path\/on\/another\/disk npx halfway-torch setup$/,
    ],
  ])('for a pip that is %s', async (behaviour, failure, message) => {
    machine.python(behaviour);
    expect(await failureOf(run())).toMatchObject({ failure, message: expect.stringMatching(message) as string });
    machine.python();
    expect((await run()).hasChanged).toBe(true);
  });

  it('for want of pip', async () => {
    machine.python('serve', false);
    const { failure, message } = await failureOf(run({ env: machine.env() })); // without this computer's own pip
    expect(failure).toBe('no-pip');
    expect(message).toMatch(
      /sudo apt install python3-pip.*, then run: npx halfway-torch setup\. .*npx halfway-torch setup --from torch-\.\.\.\.whl$/,
    );
    machine.python();
    expect((await run()).hasChanged).toBe(true);
  });

  it('for want of a compiler', async () => {
    const { failure, message } = await failureOf(run({ env: { ...env(), CXX: 'no-such-compiler' } }));
    expect(failure).toBe('no-compiler');
    expect(message).toMatch(/got CXX=no-such-compiler: not found; unset CXX .*, then run: npx halfway-torch setup$/);
    expect(machine.numPipCalls()).toBe(0); // before half a gigabyte, not after
    expect((await run()).hasChanged).toBe(true);
  });

  it('for sources that do not compile', async () => {
    machine.write('native/entry.cc', `${entry}int broken() { return missing; }\n`);
    const { failure, message } = await failureOf(run());
    expect(failure).toBe('compile-failed');
    expect(message).toMatch(
      /entry\.cc:4:\d+: error: .*missing.*\n[^]*the whole log is in \S+\/logs\/build-entry-cc\.txt; .*npx halfway-torch doctor$/,
    );
    machine.write('native/entry.cc', entry);
    expect((await run()).hasChanged).toBe(true);
    expect(machine.numPipCalls()).toBe(pins.cpu.length); // the libtorch of the first time was kept
  });

  it('for a PyTorch that is too old: one that was chosen, or a wheel on disk', async () => {
    const chosen = { ...env(), HALFWAY_LIBTORCH: machine.torch('old', '2.10.0') };
    expect(await failureOf(run({ env: chosen }))).toMatchObject({
      failure: 'not-found',
      message: expect.stringMatching(
        /is PyTorch 2\.10\.0, 2\.11 or newer is needed[^]*unset it and run: npx halfway-torch setup$/,
      ) as string,
    });
    const wheel = machine.write('torch-2.10.0-cp311-cp311-manylinux_2_28_x86_64.whl', 'any');
    expect(await failureOf(run({ from: [wheel] }))).toMatchObject({
      failure: 'libtorch-unusable',
      message: expect.stringMatching(
        /2\.11 or newer is needed, got torch-2\.10\.0\S+; fetch a newer one: pip download .*torch==\S+$/,
      ) as string,
    });
    expect((await run()).libtorch.version).toBe('2.15.0');
  });

  it('for the wrong CPU and the wrong platform, before anything is written', async () => {
    const { platform, cpu } = detectMachine();
    const old = { platform, cpu: { ...cpu, model: 'Old CPU', avx2: false } };
    const mac = { platform: { os: 'darwin', arch: 'arm64', glibc: undefined }, cpu };
    expect(await failureOf(run({ machine: old }))).toMatchObject({
      failure: 'wrong-cpu',
      message: expect.stringMatching(/got "Old CPU" without; .* then run: npx halfway-torch setup$/) as string,
    });
    expect(await failureOf(run({ machine: mac }))).toMatchObject({
      failure: 'unsupported-platform',
      message: expect.stringMatching(/got darwin arm64 with no glibc; .*: docker run -it node:22-bookworm$/) as string,
    });
    const check = (await doctor(machine.env(), old)).checks.find(({ name }) => name === 'Machine');
    expect(check).toMatchObject({ status: 'failed', next: expect.stringMatching(/qemu: -cpu host/) as string });
  });

  if (memoryDisk === undefined) {
    it.skip('on a disk of its own: this user may not mount one');
    return;
  }
  const disk = memoryDisk;

  describe('on a disk of its own', () => {
    const cache = () => join(disk.folder, 'cache');
    const onDisk = () => ({ ...env(), HALFWAY_CACHE: cache() });
    beforeEach(() => {
      rmSync(cache(), { recursive: true, force: true });
    });

    it('says that the disk is full, at whatever step it gets full, and goes on once there is room', async () => {
      let numFailures = 0;
      for (let kilobytes = 0; ; kilobytes = Math.max(4, 2 * kilobytes)) {
        disk.leaveFree(1000 * kilobytes);
        const attempt = run({ env: onDisk() });
        if (await attempt.then(Boolean, () => false)) break;
        const { failure, message } = await failureOf(attempt);
        expect(failure).toBe('disk-full');
        expect(message).toMatch(
          /free some space, or .* HALFWAY_CACHE=\/path\/on\/another\/disk npx halfway-torch setup$/,
        );
        numFailures++;
      }
      expect(numFailures).toBeGreaterThan(3);
    });

    it('says how much room is missing before it downloads', async () => {
      disk.leaveFree(100e3);
      const [torch, ...others] = pins.cpu;
      pins = { ...pins, cpu: [{ ...torch, bytes: 5e6 }, ...others] };
      expect(await failureOf(run({ env: onDisk() }))).toMatchObject({
        failure: 'disk-full',
        message: expect.stringMatching(/needs 1\d MB free while installing, got \d+ kB; free some space/) as string,
      });
      expect(machine.numPipCalls()).toBe(0);
    });

    it('says that the cache is read-only, and uses one that is complete', async () => {
      disk.leaveFree(3e6);
      const { addon } = await run({ env: onDisk() });
      await disk.makeReadOnly();
      expect(await run({ env: onDisk() })).toMatchObject({ hasChanged: false, addon: { path: addon.path } });
      machine.write('native/entry.cc', `${entry}// changed\n`);
      expect(await failureOf(run({ env: onDisk() }))).toMatchObject({
        failure: 'cache-not-writable',
        message: expect.stringMatching(
          /cannot write to the cache folder \S+cache \(EROFS\); .*HALFWAY_CACHE=\/path\/to\/folder npx halfway-torch setup$/,
        ) as string,
      });
    });
  });
});
