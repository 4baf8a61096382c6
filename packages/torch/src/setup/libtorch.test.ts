import { rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { FakeMachine } from './fakeMachine.case.js';
import { type Libtorch, inspectLibtorch } from './libtorch.js';

function problemOf(path: string): string {
  const seen = inspectLibtorch(path);
  return 'problem' in seen ? seen.problem : 'none';
}

function libtorchOf(path: string): Libtorch {
  const seen = inspectLibtorch(path);
  if ('problem' in seen) throw new Error(seen.problem);
  return seen.libtorch;
}

describe('inspectLibtorch', () => {
  const machine = new FakeMachine();
  afterAll(() => {
    machine.remove();
  });

  it('accepts a torch package, and the folder that holds it', () => {
    const torch = machine.torch('site/torch', '2.15.0+cu132');
    const libtorch = libtorchOf(torch);
    expect(libtorch).toMatchObject({
      root: torch,
      version: '2.15.0+cu132',
      libDir: join(torch, 'lib'),
      hasCuda: false,
    });
    expect(libtorch.openmpLibrary).toBe(join(torch, 'lib/libgomp.so.1'));
    expect(libtorchOf(join(machine.root, 'site'))).toEqual(libtorch);
  });

  it('accepts the oldest supported version and names one that is older', () => {
    expect(libtorchOf(machine.torch('oldest', '2.11.0')).version).toBe('2.11.0');
    expect(problemOf(machine.torch('old', '2.9.1'))).toMatch(
      /^is PyTorch 2\.9\.1, 2\.11 or newer is needed \(pip install -U torch/,
    );
  });

  it('reads the version of an unpacked libtorch archive from its headers', () => {
    const root = machine.torch('archive');
    rmSync(join(root, 'version.py'));
    expect(problemOf(root)).toMatch(/does not say its version/);
    machine.write('archive/include/torch/headeronly/version.h', '#define TORCH_VERSION \\\n  "2.12.1"\n');
    expect(libtorchOf(root).version).toBe('2.12.1');
  });

  it('names what is missing', () => {
    expect(problemOf(join(machine.root, 'nowhere'))).toBe('has no lib/libtorch_cpu.so');
    const headerless = machine.torch('headerless');
    rmSync(join(headerless, 'include'), { recursive: true });
    expect(problemOf(headerless)).toMatch(/no include\/ATen\/ATen.h/);
    const half = machine.torch('half');
    rmSync(join(half, 'lib/libc10.so'));
    expect(problemOf(half)).toBe('has no lib/libc10.so');
  });

  it('refuses the old C++ library interface', () => {
    expect(problemOf(machine.torch('oldabi', '2.12.0', { isOldAbi: true }))).toMatch(/_GLIBCXX_USE_CXX11_ABI=0/);
  });

  it('names a library that libtorch needs and cannot find, and accepts it where pip puts it', () => {
    // A number that no machine has among its system libraries.
    const needed = ['libgomp.so.1', 'libcudart.so.99'];
    const torch = machine.torch('cudasite/torch', '2.15.0', { needed });
    expect(problemOf(torch)).toBe("needs libcudart.so.99, which is not beside it nor in the system's library folders");
    machine.write('cudasite/nvidia/cu13/lib/libcudart.so.99', 'any');
    expect(libtorchOf(torch).extraLibDirs).toEqual([]); // its own search path leads there
  });

  it('tells the loader of a folder that only we found', () => {
    const torch = machine.torch('othersite/torch', '2.15.0', { needed: ['libgomp.so.1', 'libcupti.so.12'] });
    machine.write('othersite/nvidia/cuda_cupti/lib/libcupti.so.12', 'any');
    expect(libtorchOf(torch).extraLibDirs).toEqual([join(machine.root, 'othersite/nvidia/cuda_cupti/lib')]);
  });

  it('refuses a libtorch without OpenMP and one that is cut short', () => {
    expect(problemOf(machine.torch('serial', '2.15.0', { needed: ['libc.so.6'] }))).toMatch(/without OpenMP/);
    const short = machine.torch('short');
    truncateSync(join(short, 'lib/libtorch_cpu.so'), 200);
    expect(problemOf(short)).toMatch(/^cannot be read: .*cut short/);
  });

  it('gives another build id when the library changes', () => {
    const torch = machine.torch('changing');
    const before = libtorchOf(torch).buildId;
    machine.torch('changing', '2.15.0', { needed: ['libgomp.so.1', 'libc.so.6', 'libm.so.6'] });
    expect(libtorchOf(torch).buildId).not.toBe(before);
  });
});
