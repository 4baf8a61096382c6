import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import {
  cpuCapability,
  getNumThreads,
  isGradEnabled,
  memory,
  libtorchVersion,
  operatorNames,
  setNumThreads,
  zeros,
} from './index.js';
import { engine } from './native.js';
import { ensureAddonPath } from './setup/addon.js';

describe('engine', () => {
  it('says what it is', () => {
    expect(libtorchVersion()).toMatch(/^2\.\d+\.\d+/);
    expect(cpuCapability()).toMatch(/^[A-Z0-9]+$/);
    expect(operatorNames().length).toBeGreaterThan(2000);
  });

  it("the addon's own loops run on as many threads as operators do", () => {
    const before = getNumThreads();
    try {
      setNumThreads(2);
      expect(getNumThreads()).toBe(2);
      expect(engine().countLoopThreads()).toBe(2);
    } finally {
      setNumThreads(before);
    }
    expect(() => setNumThreads(0)).toThrow(/^setNumThreads: must be from 1 to 1024, got 0/);
  });
});

describe('threads that wait', () => {
  // libgomp shows its settings when it is loaded; the child is plain Node on the build.
  const shownSpinCount = (env: Readonly<Record<string, string>>) => {
    const build = new URL('../dist/index.js', import.meta.url).href;
    const addon = process.env['HALFWAY_ADDON'] ?? ensureAddonPath();
    const program = `import('${build}').then((torch) => { torch.zeros([1]); console.log(process.env.GOMP_SPINCOUNT); })`;
    const { OMP_WAIT_POLICY: _policy, GOMP_SPINCOUNT: _count, ...rest } = process.env;
    const child = spawnSync(process.execPath, ['-e', program], {
      env: { ...rest, HALFWAY_ADDON: addon, OMP_DISPLAY_ENV: 'VERBOSE', ...env },
      encoding: 'utf8',
    });
    return [/GOMP_SPINCOUNT = '(\d+)'/.exec(child.stderr)?.[1], child.stdout.trim()];
  };

  it('spin briefly, unless the user says otherwise, and the environment is left as it was', () => {
    expect(shownSpinCount({})).toEqual(['10000', 'undefined']);
    expect(shownSpinCount({ GOMP_SPINCOUNT: '7' })).toEqual(['7', '7']);
  });
});

describe('worker threads', () => {
  // Grad mode, handles and buffers belong to one Node environment, so a worker that ends takes nothing from this one.
  const program = `
    const { workerData, parentPort } = require('node:worker_threads');
    const addonModule = { exports: {} };
    process.dlopen(addonModule, workerData);
    const addon = addonModule.exports;
    addon.shareBuffers(new Float64Array([1, 3]), new Float64Array(67));
    addon.setGradEnabled(false);
    const handle = addon.call(addon.resolve('aten::ones', ''), 0);
    parentPort.postMessage([addon.liveTensors(), addon.item(addon.call(addon.resolve('aten::sum', ''), handle))]);
  `;

  it('have tables and grad mode of their own, and may end', async () => {
    const mine = zeros([2]);
    const { liveTensors } = memory.stats();
    for (let round = 0; round < 3; round++) {
      const worker = new Worker(program, { eval: true, workerData: process.env['HALFWAY_ADDON'] ?? ensureAddonPath() });
      const ended = new Promise((resolve) => worker.on('exit', resolve));
      const message = await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
      expect(message).toEqual([1, 3]);
      await ended;
    }
    expect(isGradEnabled()).toBe(true);
    expect(memory.stats().liveTensors).toBe(liveTensors);
    expect(mine.add(1).toArray()).toEqual([1, 1]);
  });
});
