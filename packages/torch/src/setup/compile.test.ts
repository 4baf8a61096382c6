import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AddonSources, findBuiltAddon, packageSources } from './addon.js';
import { cacheFolder } from './cacheFolder.js';
import { buildAddon, firstCompilerError } from './compile.js';
import { readSharedLibrary } from './elf.js';
import { SetupError } from './errors.js';
import { FakeMachine, recordingLog } from './fakeMachine.case.js';
import { type Libtorch, inspectLibtorch } from './libtorch.js';
import { tryAddon } from './loadTest.js';

const unit = `#include <ATen/ATen.h>
#include "part.h"
#include <node_api.h>
NAPI_MODULE_INIT() {
  napi_value value;
  napi_create_int32(env, at::answer() + part(), &value);
  napi_set_named_property(env, exports, "answer", value);
  return exports;
}
`;

describe('buildAddon', () => {
  const machine = new FakeMachine();
  let libtorch: Libtorch;
  // The computer's own compiler, in a cache of our own.
  const env = { ...process.env, HALFWAY_CACHE: machine.cache };
  const cache = cacheFolder(env);
  const log = recordingLog();

  beforeAll(() => {
    const torch = machine.torch('site/torch', '2.15.0', { files: [] }); // with the compiler's own libgomp
    machine.write('site/torch/include/ATen/ATen.h', 'namespace at { int answer(); }\n');
    for (const [name, path] of Object.entries(machine.libraries())) copyFileSync(path, join(torch, 'lib', name));
    const seen = inspectLibtorch(torch, env);
    if ('problem' in seen) throw new Error(seen.problem);
    libtorch = seen.libtorch;
  });
  afterEach(() => {
    log.lines.length = 0;
  });
  afterAll(() => {
    machine.remove();
  });

  function sources(name: string, part: string): AddonSources {
    machine.write(join(name, 'entry.cc'), unit);
    machine.write(join(name, 'part.cc'), part);
    machine.write(join(name, 'part.h'), 'int part();\n');
    return packageSources(join(machine.root, name));
  }
  const build = (from: AddonSources, force = false) => buildAddon(libtorch, { env, log, sources: from, force });
  const answerOf = (path: string) =>
    execFileSync(
      process.execPath,
      ['-p', 'const m = { exports: {} }; process.dlopen(m, process.argv[1]); m.exports.answer', path],
      {
        encoding: 'utf8',
      },
    ).trim();

  it('builds an addon that loads with this libtorch, once', async () => {
    const from = sources('good', '#include "part.h"\nint part() { return 100; }\n');
    expect(findBuiltAddon(from, libtorch, cache)).toBeUndefined();
    const first = await build(from);
    expect(first.isNew).toBe(true);
    expect(answerOf(first.path)).toBe('142');
    expect(log.lines[0]).toMatch(/^compiling 2 C\+\+ files with (gcc|clang) \d+\S*, [12] at once: about \d+ s$/);
    expect(await build(from)).toEqual({ path: first.path, isNew: false, seconds: 0 });
    expect(findBuiltAddon(from, libtorch, cache)).toMatchObject({
      path: first.path,
      manifest: { libtorchVersion: '2.15.0' },
    });
    expect(readSharedLibrary(first.path).searchPath[0]).toBe(join(machine.root, 'site/torch/lib'));
    expect((await tryAddon(first.path, env, 'no package')).detail).toMatch(/^loads/);
  });

  it('builds anew for changed sources, compiling only what changed', async () => {
    const before = await build(sources('changed', '#include "part.h"\nint part() { return 200; }\n'));
    log.lines.length = 0;
    const after = await build(sources('changed', '#include "part.h"\nint part() { return 300; }\n'));
    expect(after.path).not.toBe(before.path);
    expect(log.lines[0]).toMatch(/^compiling 1 C\+\+ file /);
    expect([answerOf(before.path), answerOf(after.path)]).toEqual(['242', '342']);
  });

  it('has another key for another libtorch', async () => {
    const from = sources('good', '#include "part.h"\nint part() { return 100; }\n');
    await build(from);
    expect(findBuiltAddon(from, { ...libtorch, buildId: 'other' }, cache)).toBeUndefined();
  });

  it('does not take an interrupted build for a whole one', async () => {
    const from = sources('interrupted', '#include "part.h"\nint part() { return 5; }\n');
    const { path } = await build(from);
    rmSync(join(path, '../manifest.json'));
    expect(findBuiltAddon(from, libtorch, cache)).toBeUndefined();
    expect((await build(from)).isNew).toBe(true);
    writeFileSync(join(path, '../manifest.json'), '{"compiler": "gcc');
    expect(findBuiltAddon(from, libtorch, cache)).toBeUndefined();
  });

  it('shows the first compiler error and where the log is, and leaves nothing half built', async () => {
    const numBuilds = readdirSync(cache.addon).length;
    const from = sources('bad', '#include "part.h"\nint part() { return undeclared_name; }\nint x = also_wrong;\n');
    const error: unknown = await build(from).catch((reason: unknown) => reason);
    if (!(error instanceof SetupError)) throw new Error('a SetupError was expected', { cause: error });
    expect(error.failure).toBe('compile-failed');
    expect(error.message).toMatch(/part\.cc:2:\d+: error: .*undeclared_name/);
    expect(error.message).not.toContain('also_wrong');
    const logPath = /the whole log is in (\S+);/.exec(error.message)?.[1] ?? '';
    expect(readFileSync(logPath, 'utf8')).toContain('also_wrong');
    expect(error.message).toMatch(/npx halfway-torch doctor$/);
    expect(readdirSync(cache.addon)).toHaveLength(numBuilds);
    expect(readdirSync(cache.objects).filter((name) => !name.endsWith('.o'))).toEqual([]);
  });

  it('shows a linker error', async () => {
    const from = sources('unlinkable', '#include "part.h"\nint part() { return 1; }\n');
    const broken = { ...libtorch, openmpLibrary: join(machine.root, 'nowhere/libgomp.so.1'), buildId: 'broken' };
    await expect(buildAddon(broken, { env, log, sources: from })).rejects.toThrow(
      /in linking:\n {2}.*(cannot find|No such file)/,
    );
  });

  it('lets doctor see an addon that links but does not load', async () => {
    const from = sources('open', '#include "part.h"\n');
    const { path } = await build(from);
    const load = await tryAddon(path, env, 'no package');
    expect(load.ok).toBe(false);
    expect(load.detail).toMatch(/undefined symbol: _Z4partv/);
  });

  it.each([
    [
      'a.cc:1:2: warning: w\na.cc:3:4: fatal error: ATen/ATen.h: No such file\n  line\n  ^\n',
      '  a.cc:3:4: fatal error: ATen/ATen.h: No such file\n    line\n    ^',
    ],
    [
      'c++: fatal error: Killed signal terminated program cc1plus',
      '  the compiler was killed: about 1.5 GB of free memory are needed',
    ],
    ['', '  exit status 1 and no message'],
  ])('picks the first error out of %j', (stderr, shown) => {
    expect(firstCompilerError({ status: 1, stderr })).toBe(shown);
  });
});
