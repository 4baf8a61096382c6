import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import {
  TorchError,
  cpuCapability,
  getNumThreads,
  isGradEnabled,
  memory,
  libtorchVersion,
  ops,
  operatorNames,
  setNumThreads,
  tensor,
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
    expect(shownSpinCount({})).toEqual(['1000', 'undefined']);
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
      const message = await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
      expect(message).toEqual([1, 3]);
      await new Promise((resolve) => worker.on('exit', resolve));
    }
    expect(isGradEnabled()).toBe(true);
    expect(memory.stats().liveTensors).toBe(liveTensors);
    expect(mine.add(1).toArray()).toEqual([1, 1]);
  });
});

describe('ops: operators by full name', () => {
  it('calls an overload with positional arguments and defaults', () => {
    const [a, b] = [tensor([1, 2]), tensor([10, 20])];
    expect(String(ops('aten::add.Tensor')(a, b, 2))).toBe('Tensor(float32 [2]: 21, 42)');
    expect(ops('aten::add.Tensor').schema).toMatch(/^aten::add.Tensor\(Tensor self, Tensor other/);
    expect(ops('aten::add.Tensor')).toBe(ops('aten::add.Tensor'));
  });

  it('gives lists, tuples, numbers and nothing as the schema says', () => {
    const x = tensor([3, 1, 2]);
    expect(ops('aten::split.Tensor')(x, 2)).toHaveLength(2);
    expect(ops('aten::sort')(x)).toHaveLength(2);
    expect(ops('aten::dim')(x)).toBe(1);
    expect(ops('aten::is_floating_point')(x)).toBe(true);
    expect(ops('aten::_foreach_add_.Scalar')([x], 1)).toBeUndefined();
    expect(x.toArray()).toEqual([4, 2, 3]);
  });

  it('an operator that writes its argument returns that argument, with its new shape', () => {
    const [x, out] = [tensor([1, 2]), zeros([0])];
    expect(ops('aten::add.out')(x, 1, 1, out)).toBe(out);
    expect(out.shape).toEqual([2]);
  });

  it('refuses unknown names, too many arguments and wrong types', () => {
    expect(() => ops('aten::nonsense')).toThrow(
      /aten::nonsense is not in this libtorch; operators are written namespace::name.overload/,
    );
    expect(() => ops('aten::relu')(zeros([1]), 1)).toThrow(/takes at most 1 arguments, got 2/);
    expect(() => ops('aten::promote_types')('float99', 'int64')).toThrow(TorchError);
    expect(() => ops('aten::promote_types')(100, 0)).toThrow(TorchError);
    expect(() => ops('aten::add.Tensor')(zeros([1]))).toThrow(/argument other must be given/);
  });
});
