import { afterAll, describe, expect, it } from 'vitest';
import { readDynamicStrings, readSharedLibrary } from './elf.js';
import { FakeMachine, fakeLibrary } from './fakeMachine.case.js';

describe('elf', () => {
  const machine = new FakeMachine();
  afterAll(() => {
    machine.remove();
  });

  it('reads what a real program needs', () => {
    expect(readSharedLibrary(process.execPath).needed).toContain('libc.so.6');
    expect(readDynamicStrings(process.execPath)).toContain('\0napi_create_object\0');
  });

  it('reads needs and search path of a library, in order', () => {
    const path = machine.write(
      'lib.so',
      fakeLibrary(['libc10.so', 'libm.so.6'], '$ORIGIN/../x:$ORIGIN', ['some_symbol']),
    );
    expect(readSharedLibrary(path)).toEqual({
      needed: ['libc10.so', 'libm.so.6'],
      searchPath: ['$ORIGIN/../x', '$ORIGIN'],
    });
    expect(readDynamicStrings(path)).toContain('some_symbol');
  });

  it('says that a library is cut short', () => {
    const whole = fakeLibrary(['libc10.so']);
    const path = machine.write('short.so', whole.subarray(0, whole.length - 1));
    expect(() => readSharedLibrary(path)).toThrow(
      `short.so is cut short: ${String(whole.length - 1)} of at least ${String(whole.length)} bytes`,
    );
  });

  it('says that a file is no library', () => {
    expect(() => readSharedLibrary(machine.write('text.so', 'INPUT(-ltorch)'))).toThrow(
      'is not a 64-bit shared library',
    );
  });
});
