import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeFolder } from './makeFolder.js';

const scratch = mkdtempSync(join(tmpdir(), 'halfway-folder-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('makeFolder', () => {
  it('makes what is missing, and leaves what is there', () => {
    const path = join(scratch, 'a', 'b');
    makeFolder(path);
    makeFolder(path);
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it('says what the system says where it cannot', () => {
    writeFileSync(join(scratch, 'file'), '');
    symlinkSync('nowhere', join(scratch, 'link'));
    expect(() => makeFolder(join(scratch, 'file'))).toThrow('EEXIST');
    expect(() => makeFolder(join(scratch, 'file', 'below'))).toThrow(/EEXIST|ENOTDIR/);
    expect(() => makeFolder(join(scratch, 'link'))).toThrow('EEXIST');
    expect(() => makeFolder('/proc/halfway-test/below')).toThrow(
      "ENOENT: no such file or directory, mkdir '/proc/halfway-test'",
    );
  });
});
