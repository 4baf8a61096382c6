import { chmodSync, mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Env } from './cacheFolder.js';
import { FakeMachine } from './fakeMachine.case.js';
import { completeMarkerName, describeAttempts, locate } from './locate.js';

describe('locate', () => {
  let machine: FakeMachine;
  beforeEach(() => {
    machine = new FakeMachine();
  });
  afterEach(() => {
    machine.remove();
  });

  const at = (path: string) => join(machine.root, path);
  const search = (more: Env = {}) => locate(machine.env(more), machine.root);

  /** A program that fails if anybody starts it: locating must not. */
  function program(path: string): void {
    chmodSync(machine.write(path, '#!/bin/sh\nexit 99\n'), 0o755);
  }

  /** Installs a fake Python below `prefix` and puts its `bin` first on PATH. */
  function python(prefix: string): string {
    program(join(prefix, 'bin/python3.11'));
    symlinkSync('python3.11', at(join(prefix, 'bin/python3')));
    mkdirSync(at(join(prefix, 'lib/python3.11/site-packages')), { recursive: true });
    return at(join(prefix, 'bin'));
  }

  /** Installs a libtorch into the cache as setup does. */
  function cached(name: string, version = '2.15.0', part = 'cpu'): string {
    const torch = machine.torch(join('cache/libtorch', name, 'torch'), version);
    const cpuLibraryBytes = statSync(join(torch, 'lib/libtorch_cpu.so')).size;
    writeFileSync(
      join(at('cache/libtorch'), name, completeMarkerName),
      JSON.stringify({ version, part, cpuLibraryBytes, wheels: [] }),
    );
    return torch;
  }

  it('finds nothing on a bare machine and says where it looked', () => {
    const location = search();
    expect(location).toMatchObject({ libtorch: undefined, origin: undefined, isChoiceBroken: false });
    expect(describeAttempts(location.attempts)).toBe(`  - cache: ${at('cache/libtorch')} has no installed libtorch`);
  });

  it('asks in the documented order', () => {
    cached('2.15.0-cpu');
    expect(search().origin).toBe('cache');
    const PATH = python('usr');
    machine.torch('usr/lib/python3.11/site-packages/torch');
    expect(search({ PATH }).origin).toBe('python3 on PATH');
    machine.torch('conda/lib/python3.12/site-packages/torch');
    const CONDA_PREFIX = at('conda');
    expect(search({ PATH, CONDA_PREFIX }).origin).toBe('CONDA_PREFIX');
    machine.torch('venv/lib/python3.12/site-packages/torch');
    const VIRTUAL_ENV = at('venv');
    expect(search({ PATH, CONDA_PREFIX, VIRTUAL_ENV }).origin).toBe('VIRTUAL_ENV');
    const HALFWAY_LIBTORCH = machine.torch('chosen');
    const last = search({ PATH, CONDA_PREFIX, VIRTUAL_ENV, HALFWAY_LIBTORCH });
    expect(last.origin).toBe('HALFWAY_LIBTORCH');
    expect(last.libtorch?.root).toBe(at('chosen'));
    expect(last.attempts).toHaveLength(1);
  });

  it('never falls through a broken HALFWAY_LIBTORCH', () => {
    cached('2.15.0-cpu');
    const location = search({ HALFWAY_LIBTORCH: at('nowhere') });
    expect(location).toMatchObject({ libtorch: undefined, isChoiceBroken: true });
    expect(location.attempts).toEqual([
      { origin: 'HALFWAY_LIBTORCH', path: at('nowhere'), outcome: 'unusable', reason: 'has no lib/libtorch_cpu.so' },
    ]);
  });

  it('passes over an environment whose PyTorch is too old, and says so', () => {
    const torch = cached('2.15.0-cpu');
    machine.torch('venv/lib/python3.9/site-packages/torch', '2.4.1');
    const location = search({ VIRTUAL_ENV: at('venv') });
    expect(location.libtorch?.root).toBe(torch);
    expect(describeAttempts(location.attempts)).toMatch(
      /VIRTUAL_ENV: \S+ is PyTorch 2\.4\.1, 2\.11 or newer is needed/,
    );
  });

  it("looks in the user's own packages before the system's, but not from a closed virtual environment", () => {
    const PATH = python('usr');
    machine.torch('usr/lib/python3.11/site-packages/torch');
    const own = machine.torch('home/.local/lib/python3.11/site-packages/torch');
    expect(search({ PATH }).libtorch?.root).toBe(own);
    expect(search({ PATH, PYTHONNOUSERSITE: '1' }).libtorch?.root).toBe(at('usr/lib/python3.11/site-packages/torch'));

    mkdirSync(at('venv/bin'), { recursive: true });
    symlinkSync(at('usr/bin/python3'), at('venv/bin/python3'));
    machine.write('venv/pyvenv.cfg', 'home = /usr/bin\ninclude-system-site-packages = false\n');
    expect(search({ PATH: at('venv/bin') }).libtorch).toBeUndefined();
    machine.write('venv/pyvenv.cfg', 'include-system-site-packages = true\n');
    expect(search({ PATH: at('venv/bin') }).libtorch?.root).toBe(own);
  });

  it("follows pyenv's shims without running them", () => {
    python('pyenv/versions/3.11.7');
    program('pyenv/shims/python3');
    machine.write('pyenv/version', '3.11.7\n');
    const torch = machine.torch('pyenv/versions/3.11.7/lib/python3.11/site-packages/torch');
    expect(search({ PATH: at('pyenv/shims') }).libtorch?.root).toBe(torch);
    machine.write('.python-version', '3.12.1\n');
    expect(search({ PATH: at('pyenv/shims') }).libtorch).toBeUndefined();
    expect(search({ PATH: at('pyenv/shims'), PYENV_VERSION: '3.11.7' }).libtorch?.root).toBe(torch);
  });

  it("finds conda's libraries in the environment's own lib", () => {
    machine.write('conda/lib/python3.12/site-packages/torch/__init__.py', '');
    machine.torch('conda', '2.13.0');
    expect(search({ CONDA_PREFIX: at('conda') }).libtorch).toMatchObject({ root: at('conda'), version: '2.13.0' });
  });

  it('takes the newest complete libtorch of the cache, CUDA before CPU', () => {
    cached('2.12.0-cpu', '2.12.0');
    const cpu = cached('2.15.0-cpu');
    expect(search().libtorch?.root).toBe(cpu);
    const cuda = cached('2.15.0-cuda', '2.15.0', 'cuda');
    expect(search().libtorch?.root).toBe(cuda);
  });

  it('passes over an interrupted and a damaged installation', () => {
    machine.torch('cache/libtorch/2.16.0-cpu/torch', '2.16.0');
    cached('2.15.0-cpu');
    truncateSync(at('cache/libtorch/2.15.0-cpu/torch/lib/libtorch_cpu.so'), 100);
    const location = search();
    expect(location.libtorch).toBeUndefined();
    const text = describeAttempts(location.attempts);
    expect(text).toMatch(/2\.16\.0-cpu is incomplete \(an installation was interrupted\)/);
    expect(text).toMatch(/2\.15\.0-cpu is damaged/);
  });
});
