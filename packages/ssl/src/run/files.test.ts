import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RunError } from '../errors.js';
import { diskError, writeAtomic } from './files.js';
import { scratchFolder } from './scratch.case.js';

const scratch = scratchFolder();

/** What a statement of `module` throws in a process that may write `blocks` of 512 bytes into a file, as on a disk that is nearly full. */
function failureOnFullDisk(blocks: number, module: string, statement: string): string {
  const url = new URL(`../../dist/run/${module}`, import.meta.url).href;
  const program = `import * as run from '${url}'; try { ${statement} } catch ({ name, message }) { console.log(name, message); }`;
  const command = `ulimit -f ${blocks}; exec "${process.execPath}" --input-type=module -e "$0"`;
  return spawnSync('sh', ['-c', command, program], { encoding: 'utf8' }).stdout;
}

describe('writeAtomic', () => {
  it('writes the whole text and leaves nothing beside it', () => {
    const folder = mkdtempSync(join(scratch, 'case-'));
    const path = join(folder, 'run.json');
    writeAtomic(path, 'first\n');
    writeAtomic(path, `second ${'x'.repeat(1e6)}\n`);
    expect(readFileSync(path, 'utf8')).toBe(`second ${'x'.repeat(1e6)}\n`);
    expect(readdirSync(folder)).toEqual(['run.json']);
  });

  it('keeps the file that was there where the disk takes only a part of the new one', () => {
    const folder = mkdtempSync(join(scratch, 'case-'));
    const path = join(folder, 'run.json');
    writeAtomic(path, 'good\n');
    const failure = failureOnFullDisk(2, 'files.js', `run.writeAtomic('${path}', 'x'.repeat(5000));`);
    expect(failure).toMatch(/^RunError run: .*run\.json must be writable, got EFBIG/);
    expect(readFileSync(path, 'utf8')).toBe('good\n');
    expect(readdirSync(folder)).toEqual(['run.json']);
  });

  it('says why it cannot', () => {
    const attempt = (): void => writeAtomic(join(scratch, 'none', 'run.json'), '');
    expect(attempt).toThrow(RunError);
    expect(attempt).toThrow(/^run: .*none\/run\.json must be writable, got ENOENT/);
  });
});

describe('diskError', () => {
  it('tells of what the system refused, and leaves every other error as it is', () => {
    const full = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC', syscall: 'write' });
    expect(diskError('runs/a', full)).toEqual(
      new RunError(
        'run: runs/a must be writable, got ENOSPC: no space left; the disk is full: make room (a run that had begun goes on with --resume)',
      ),
    );
    const argument = Object.assign(new TypeError('path must be a string'), { code: 'ERR_INVALID_ARG_TYPE' });
    for (const error of [argument, new Error('of the engine'), new RunError('run: told already')]) {
      expect(diskError('runs/a', error)).toBe(error);
    }
  });
});

describe('lockRun on a full disk', () => {
  it('says so, and leaves no lock that would keep the next start waiting', () => {
    const folder = mkdtempSync(join(scratch, 'case-'));
    expect(failureOnFullDisk(0, 'lock.js', `run.lockRun('${folder}');`)).toMatch(/^RunError run: .*lock\.json must be/);
    expect(readdirSync(folder)).toEqual([]);
  });
});
