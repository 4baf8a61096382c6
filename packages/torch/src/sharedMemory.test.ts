import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { describe, expect, it } from 'vitest';
import { TorchError, createSharedMemory, mapSharedMemory } from './index.js';
import { ensureAddonPath } from './setup/addon.js';

// The child needs the addon only: it waits for the parent's word, doubles every number, and says so in the control word.
const child = `
const addonModule = { exports: {} };
process.dlopen(addonModule, process.argv[1]);
const buffer = addonModule.exports.mapSharedFile(3, 4096);
const control = new Int32Array(buffer, 0, 1);
const data = new Float32Array(buffer, 64, 10);
while (Atomics.load(control, 0) !== 1);
data.forEach((value, i) => { data[i] = 2 * value; });
Atomics.store(control, 0, 2);
`;

describe('shared memory', () => {
  it('a child process reads what the parent wrote, and the other way round', async () => {
    const memory = createSharedMemory(4096);
    const control = new Int32Array(memory.buffer, 0, 1);
    const data = new Float32Array(memory.buffer, 64, 10);
    expect(data.every((value) => value === 0)).toBe(true);
    const addon = process.env['HALFWAY_ADDON'] ?? ensureAddonPath();
    const running = spawn(process.execPath, ['-e', child, addon], {
      stdio: ['ignore', 'inherit', 'inherit', memory.fd],
    });
    memory.close();
    data.forEach((_, i) => (data[i] = i));
    Atomics.store(control, 0, 1);
    const status = await new Promise((resolve) => running.on('exit', resolve));
    expect(status).toBe(0);
    expect(Atomics.load(control, 0)).toBe(2);
    expect([...data]).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
  });

  it('two mappings of one descriptor are the same memory', () => {
    const memory = createSharedMemory(100);
    const other = mapSharedMemory(memory.fd, 100);
    new Uint8Array(memory.buffer)[99] = 7;
    expect(new Uint8Array(other.buffer)[99]).toBe(7);
    other.close();
    other.close();
  });

  it('a map beyond the end of the file is refused, since touching it would end the process', () => {
    const file = openSync(devNull, 'r+');
    expect(() => mapSharedMemory(file, 100)).toThrow(/the file has 0 bytes, asked for 100/);
    closeSync(file);
    expect(() => createSharedMemory(0)).toThrow(/^createSharedFile: the size must be at least 1 byte, got 0/);
    expect(() => createSharedMemory(0.5)).toThrow(TorchError);
    expect(() => mapSharedMemory(-1, 10)).toThrow(TorchError);
  });
});
