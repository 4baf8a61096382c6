import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findCompiler, requireCompiler } from './compiler.js';
import { SetupError } from './errors.js';
import { FakeMachine } from './fakeMachine.case.js';

const gccVersion = (version: string) =>
  `echo "g++ (Debian ${version}-1) ${version}\nCopyright (C) 2022 Free Software Foundation, Inc."`;

describe('findCompiler', () => {
  let machine: FakeMachine;
  beforeEach(() => {
    machine = new FakeMachine();
  });
  afterEach(() => {
    machine.remove();
  });
  const choose = (CXX?: string) => requireCompiler(machine.env({ CXX }));
  const messageOf = async (CXX?: string) => {
    const error: unknown = await choose(CXX).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SetupError);
    return error instanceof SetupError ? `${error.failure} ${error.message}` : '';
  };

  it('says which compilers it looked for and how to get one', async () => {
    expect(await messageOf()).toMatch(
      /^no-compiler setup: .*g\+\+ 12 or newer, or clang 14 .*got c\+\+: not found, g\+\+: not found, clang\+\+: not found; .*sudo apt install g\+\+.*npx halfway-torch setup$/,
    );
  });

  it('passes over a g++ that is too old, also to a newer one with a number in its name', async () => {
    machine.script('g++', gccVersion('11.4.0'));
    expect(await messageOf()).toContain('g++: gcc 11.4.0 is too old');
    const newer = machine.script('g++-13', gccVersion('13.2.0'));
    expect(await choose()).toEqual({ command: [newer], kind: 'gcc', version: '13.2.0' });
  });

  it('knows clang by its own words, whatever it is called', async () => {
    const path = machine.script('c++', 'echo "Debian clang version 14.0.6"');
    expect(await choose()).toEqual({ command: [path], kind: 'clang', version: '14.0.6' });
    machine.script('c++', 'echo "clang version 10.0.0"');
    expect(await messageOf()).toContain('c++: clang 10.0.0 is too old');
  });

  it('takes $CXX with its arguments, and nothing else if that fails', async () => {
    machine.script('g++', gccVersion('12.2.0'));
    const ccache = machine.script('ccache', `[ "$1" = "g++" ] && ${gccVersion('12.3.0')}`);
    expect(await choose('ccache g++')).toEqual({ command: [ccache, 'g++'], kind: 'gcc', version: '12.3.0' });
    expect(await messageOf('g++-99')).toMatch(/got CXX=g\+\+-99: not found; unset CXX or name another compiler/);
    machine.script('notacompiler', 'echo hello');
    expect(await messageOf('notacompiler')).toContain('neither g++ nor clang');
  });

  it('finds a usable one on this computer', async () => {
    const { compiler } = await findCompiler(process.env);
    expect(compiler?.version).toMatch(/^\d+\.\d+/);
  });
});
