// Set-up as processes of their own: killed in the middle and started again, and two at once. They run the built package.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageSources } from './addon.js';
import { FakeMachine, type StallPoint } from './fakeMachine.case.js';
import type { Pins } from './install.js';
import type { SetupResult } from './setup.js';

const entry = fileURLToPath(new URL('../../dist/setup/index.js', import.meta.url));
const program = `
const { setup } = await import(${JSON.stringify(entry)});
const log = { line: (text) => console.error(text), progress() {} };
console.log(JSON.stringify(await setup({ ...JSON.parse(process.argv[1]), log })));
`;

interface Run {
  readonly process: ChildProcess;
  readonly said: () => string;
  /** The result; Error with what it said when it ended otherwise. */
  readonly result: () => Promise<SetupResult>;
}

describe('set-up in its own process', () => {
  let machine: FakeMachine;
  let pins: Pins;
  const started: ChildProcess[] = [];

  beforeEach(() => {
    machine = new FakeMachine();
    machine.python();
    machine.compiler();
    machine.write(
      'native/entry.cc',
      '#include <ATen/ATen.h>\n#include <node_api.h>\nNAPI_MODULE_INIT() { return exports; }\n',
    );
    pins = machine.wheels('2.15.0', machine.libraries());
  });
  afterEach(() => {
    // Each is the head of a process group: what it started ends too, though it may be gone itself.
    for (const { pid } of started.splice(0)) if (pid !== undefined && isGroupAlive(pid)) process.kill(-pid, 'SIGKILL');
    machine.remove();
  });

  function start(): Run {
    const env = machine.env({ PATH: `${machine.bin}:${process.env.PATH ?? ''}` });
    const options = JSON.stringify({ env, pins, sources: packageSources(join(machine.root, 'native')) });
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program, '--', options], {
      detached: true,
    });
    started.push(child);
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
    const closed = once(child, 'close');
    return {
      process: child,
      said: () => output.stderr,
      result: async () => {
        await closed;
        if (child.exitCode !== 0) throw new Error(output.stderr);
        return JSON.parse(output.stdout) as SetupResult;
      },
    };
  }

  async function until(holds: () => boolean): Promise<void> {
    while (!holds()) await sleep(10);
  }

  /** What lies in the cache but belongs to no finished thing. */
  const leftovers = () =>
    readdirSync(machine.cache, { recursive: true, encoding: 'utf8' }).filter((path) =>
      /(^|\/)\.(partial|old)-|setup\.lock|downloads\/./.test(path),
    );

  it.each<StallPoint>(['download', 'unpacking', 'compiling', 'linking'])(
    'killed while %s, it starts again cleanly',
    async (point) => {
      machine.stallAt(point);
      const first = start();
      await until(() => machine.isStalledAt(point));
      first.process.kill('SIGKILL');
      await expect(first.result()).rejects.toThrow();
      expect(leftovers()).toContain('setup.lock');

      machine.goOn(point);
      const { libtorch, addon } = await start().result();
      expect(libtorch.version).toBe('2.15.0');
      expect([addon.isNew, existsSync(addon.path)]).toEqual([true, true]);
      expect(leftovers()).toEqual([]);
    },
  );

  it('the one that waits says for whom, and takes over when that one is killed', async () => {
    machine.stallAt('download');
    const first = start();
    await until(() => machine.isStalledAt('download'));
    const second = start();
    await until(() => second.said() !== '');
    expect(second.said()).toBe(
      `another setup is at work in ${machine.cache} (process ${String(first.process.pid)} on ${hostname()}); ` +
        'waiting for it to finish\n',
    );
    machine.goOn('download');
    first.process.kill('SIGKILL'); // its pip stalls for good: the one that waits takes over
    const result = await second.result();
    expect(result.addon.isNew).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  it('two at once from the start: one installs and builds, once', async () => {
    const [one, other] = await Promise.all([start().result(), start().result()]);
    expect(one.addon.path).toBe(other.addon.path);
    expect([one.addon.isNew, other.addon.isNew].filter(Boolean)).toHaveLength(1);
    expect(machine.numPipCalls()).toBe(pins.cpu.length);
  });
});

function isGroupAlive(pid: number): boolean {
  try {
    return process.kill(-pid, 0);
  } catch {
    return false;
  }
}
