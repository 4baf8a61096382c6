import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AddonSources, ensureAddonPath, packageSources } from './addon.js';
import { cudaCheck, doctor, nodeCheck } from './doctor.js';
import { doctorText } from './doctorText.js';
import { EngineNotFoundError } from './errors.js';
import { FakeMachine, recordingLog } from './fakeMachine.case.js';
import type { Pins } from './install.js';
import type { Libtorch } from './libtorch.js';
import type { PartTrial } from './loadTest.js';
import { type SetupOptions, setup } from './setup.js';

describe('setup', () => {
  let machine: FakeMachine;
  let pins: Pins;
  let sources: AddonSources;
  const log = recordingLog();

  beforeEach(() => {
    machine = new FakeMachine();
    log.lines.length = 0;
    machine.write(
      'native/entry.cc',
      '#include <ATen/ATen.h>\n#include <node_api.h>\nNAPI_MODULE_INIT() { return exports; }\n',
    );
    sources = packageSources(join(machine.root, 'native'));
  });
  afterEach(() => {
    machine.remove();
  });

  // The computer's compiler, our Python: the PATH of the machine comes first.
  const env = () => machine.env({ PATH: `${machine.bin}:${process.env.PATH ?? ''}` });
  const run = (more: SetupOptions = {}) => setup({ env: env(), log, pins, sources, ...more });
  /** Wheels with real libraries inside, since the addon is linked with them. */
  function serveRealLibraries(): void {
    machine.python();
    pins = machine.wheels('2.15.0', machine.libraries());
  }

  it('goes from nothing to a built addon, then has nothing to do and needs no tools', async () => {
    serveRealLibraries();
    const result = await run();
    expect(result).toMatchObject({ origin: 'cache', hasChanged: true });
    expect(existsSync(result.addon.path)).toBe(true);
    expect(existsSync(join(machine.cache, 'setup.lock'))).toBe(false);
    log.lines.length = 0;
    const again = await run({ env: machine.env({ PATH: '/nowhere' }) });
    expect(again).toMatchObject({ hasChanged: false, addon: { path: result.addon.path, isNew: false } });
    expect(log.lines).toEqual([]);
  });

  it('takes the PyTorch that is there instead of downloading one', async () => {
    machine.python('offline');
    const torch = machine.torch('venv/lib/python3.12/site-packages/torch', '2.13.0', { files: [] });
    for (const [name, path] of Object.entries(machine.libraries())) copyFileSync(path, join(torch, 'lib', name));
    const result = await run({ env: { ...env(), VIRTUAL_ENV: join(machine.root, 'venv') } });
    expect(result).toMatchObject({ origin: 'VIRTUAL_ENV', libtorch: { version: '2.13.0' } });
    expect(machine.numPipCalls()).toBe(0);
  });

  it('says which PyTorch comes before the one just installed', async () => {
    serveRealLibraries();
    const torch = machine.torch('venv/lib/python3.12/site-packages/torch', '2.13.0', { files: [] });
    for (const [name, path] of Object.entries(machine.libraries())) copyFileSync(path, join(torch, 'lib', name));
    const withVenv = { ...env(), VIRTUAL_ENV: join(machine.root, 'venv') };
    const result = await run({ env: withVenv, from: [join(machine.served, pins.cpu[0].file)] });
    expect(result.libtorch.root).toBe(torch);
    expect(log.lines.join('\n')).toMatch(
      /VIRTUAL_ENV comes first: PyTorch 2\.13\.0 .*\n.*export HALFWAY_LIBTORCH=\S+2\.15\.0-cpu\/torch/,
    );
  });

  it('builds again when forced', async () => {
    serveRealLibraries();
    const first = await run();
    const calls = machine.numPipCalls();
    const second = await run({ force: true });
    expect(second).toMatchObject({ hasChanged: true, addon: { isNew: true } });
    expect(second.addon.path).not.toBe(first.addon.path); // the library it is linked with is another file
    expect(machine.numPipCalls()).toBe(2 * calls);
  });
});

describe('ensureAddonPath', () => {
  const machine = new FakeMachine();
  afterAll(() => {
    machine.remove();
  });

  it('says what was tried and what to type when there is no libtorch', () => {
    const find = () => ensureAddonPath(machine.env());
    expect(find).toThrow(EngineNotFoundError);
    expect(find).toThrow(
      /^engine: no usable libtorch was found, tried\n {2}- cache: \S+ has no installed libtorch\nrun: npx halfway-torch setup/,
    );
  });

  it('says what to type when the addon was not built for this libtorch', () => {
    const HALFWAY_LIBTORCH = machine.torch('torch');
    expect(() => ensureAddonPath(machine.env({ HALFWAY_LIBTORCH }))).toThrow(
      /must be compiled once for PyTorch 2\.15\.0 .*; run: npx halfway-torch setup/,
    );
  });
});

describe('doctor', () => {
  it('asks for a newer Node', () => {
    expect(nodeCheck('20.19.0').status).toBe('ok');
    expect(nodeCheck('20.18.3')).toMatchObject({
      status: 'failed',
      next: expect.stringContaining('nvm install 22') as string,
    });
  });

  it('says which state CUDA is in, and what to do where a GPU lies idle', () => {
    const nothing = { root: '', version: '', libDir: '', openmpLibrary: '', buildId: '' };
    const forCpu: Libtorch = { ...nothing, includeDirs: [], extraLibDirs: [], hasCuda: false };
    const forCuda = { ...forCpu, hasCuda: true };
    const unused = (cudaProblem: string) => ({ cudaProblem, cudaParts: [] });
    expect(cudaCheck(false, forCuda, unused('no driver; install it'))).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(/no NVIDIA driver/) as string,
    });
    const [product, pinned] = [
      { name: 'matrix product', problem: '' },
      { name: 'copies from pinned memory', problem: '' },
    ] as const;
    const seen = (...cudaParts: PartTrial[]) => cudaCheck(true, forCuda, { cudaProblem: '', cudaParts });
    expect(seen(product, pinned)).toEqual({
      ...{ name: 'CUDA', status: 'ok', detail: 'seen to work: matrix product, copies from pinned memory' },
    });
    expect(seen(product, { ...pinned, problem: 'it ended the process' })).toMatchObject({
      status: 'warning',
      detail: 'seen to work: matrix product; not: copies from pinned memory: it ended the process',
    });
    expect(cudaCheck(true, forCuda)).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(/not tried yet/) as string,
    });
    const idle = { status: 'warning', next: 'npx halfway-torch setup --cuda' };
    expect(cudaCheck(true)).toMatchObject(idle);
    expect(cudaCheck(true, forCpu)).toMatchObject(idle);
    expect(cudaCheck(true, forCuda, unused('it lacks libx.so (a; b); reboot'))).toEqual({
      ...{ name: 'CUDA', status: 'warning', detail: 'it lacks libx.so (a; b)', next: 'reboot' },
    });
  });

  const machine = new FakeMachine();
  afterAll(() => {
    machine.remove();
  });

  it('gives every failing line its next command, on a bare machine too, and changes nothing', async () => {
    const report = await doctor(machine.env());
    expect(report.ok).toBe(false);
    const byName = new Map(report.checks.map((check) => [check.name, check]));
    expect([...byName.keys()]).toEqual([
      'Node',
      'npm',
      'Machine',
      'Memory',
      "Python's pip",
      'C++ compiler',
      'Cache folder',
      'libtorch',
      'CUDA',
    ]);
    for (const name of ["Python's pip", 'C++ compiler', 'libtorch'])
      expect(byName.get(name)?.status, name).toBe('failed');
    for (const check of report.checks) expect(check.next !== undefined, check.name).toBe(check.status !== 'ok');
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({
      ok: false,
      cacheFolder: machine.cache,
      node: process.versions.node,
    });
    expect(readdirSync(machine.root)).not.toContain('cache');

    const text = doctorText(report);
    expect(text).toMatch(/FAILED {2}libtorch +not found\n +next: npx halfway-torch setup\n/);
    expect(text).toMatch(/Searched for libtorch:\n {2}cache: /);
    expect(text).toMatch(/Not ready\. Start with: sudo apt install python3-pip/);
  });
});
