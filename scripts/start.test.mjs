// The entry scripts in a repository made of fakes: what they run, what they skip, what they print and how they end.

import { execFile } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countResults } from './test.mjs';

const execute = promisify(execFile);
const lock = {
  packages: {
    '': {},
    'node_modules/a': { version: '1.0.0', integrity: 'x' },
    'node_modules/b': { version: '2.0.0', optional: true },
  },
};
const setupThatWorks = 'export const streamLog = () => ({}); export async function setup() {}';
const report = (assertions, status = 'passed') => ({
  numFailedTests: 0,
  testResults: [{ status, assertionResults: assertions.map((s) => ({ status: s })) }],
});

describe('entry scripts', () => {
  let root;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'halfway-scripts-test-'));
    cpSync(import.meta.dirname, join(root, 'scripts'), { recursive: true });
    write('package-lock.json', JSON.stringify(lock));
    for (const name of ['torch', 'ssl']) write(`packages/${name}/src/index.ts`, '');
    npm(`mkdir -p ${root}/node_modules && cp ${root}/package-lock.json ${root}/node_modules/.package-lock.json`);
    tsc(setupThatWorks);
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  function write(path, text, mode = 0o644) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), mode);
  }
  function npm(script) {
    write('bin/npm', `#!/bin/sh\necho "npm $*" >> ${root}/calls\n${script}\n`, 0o755);
  }
  /** A compiler that "builds" the given set-up module. */
  function tsc(setupModule, status = 0) {
    write('setup.js', setupModule);
    write(
      'node_modules/typescript/bin/tsc',
      `const fs = require('fs'); fs.appendFileSync('${root}/calls', 'tsc\\n');
       for (const path of ['torch/dist/setup', 'ssl/dist']) fs.mkdirSync('${root}/packages/' + path, { recursive: true });
       fs.copyFileSync('${root}/setup.js', '${root}/packages/torch/dist/setup/index.js');
       fs.writeFileSync('${root}/packages/torch/dist/setup/package.json', '{"type":"module"}'); process.exitCode = ${status};`,
    );
  }
  function vitest(json, status) {
    write(
      'node_modules/vitest/vitest.mjs',
      `import fs from 'node:fs'; console.log('args ' + process.argv.slice(2).filter((a) => !a.includes('report')).join(' '));
       const file = process.argv.find((a) => a.startsWith('--outputFile.json=')).split('=')[1];
       ${json === undefined ? '' : `fs.writeFileSync(file, ${JSON.stringify(JSON.stringify(json))});`} process.exitCode = ${status};`,
    );
  }
  const calls = () =>
    existsSync(join(root, 'calls')) ? readFileSync(join(root, 'calls'), 'utf8').trim().split('\n') : [];
  async function run(script, ...args) {
    const env = { PATH: `${join(root, 'bin')}:${process.env.PATH}`, HOME: root };
    const ended = await execute(process.execPath, [join(root, 'scripts', script), ...args], { env }).catch(
      (error) => error,
    );
    return { status: ended.code ?? 0, stdout: ended.stdout, stderr: ended.stderr };
  }

  it('does every step once, and none of them again', async () => {
    vitest(report(['passed', 'passed']), 0);
    expect(await run('test.mjs', 'some/file')).toMatchObject({
      status: 0,
      stdout: 'args run some/file\n2 passed, 0 failed\n',
    });
    expect(calls()).toEqual(['npm ci --no-audit --no-fund', 'tsc']);
    expect(await run('test.mjs')).toMatchObject({ status: 0, stderr: '' });
    expect(calls()).toHaveLength(2);
  });

  it('installs again when the lock file asks for another version, and builds again when a source changes', async () => {
    vitest(report(['passed']), 0);
    await run('test.mjs');
    write('packages/ssl/src/new.ts', '');
    await run('test.mjs');
    expect(calls().slice(2)).toEqual(['tsc']);
    lock.packages['node_modules/a'].version = '1.0.1';
    write('package-lock.json', JSON.stringify(lock));
    await run('test.mjs');
    expect(calls()[3]).toMatch(/^npm ci/);
  });

  it('does not install for an optional package of another platform', async () => {
    const { ['node_modules/b']: _, ...packages } = lock.packages;
    write('node_modules/.package-lock.json', JSON.stringify({ packages }));
    vitest(report(['passed']), 0);
    await run('test.mjs');
    expect(calls()).toEqual(['tsc']);
  });

  it.each(['quickstart.mjs', 'test.mjs'])(
    '%s ends with status 1 and the next command when npm has no network',
    async (script) => {
      npm('echo "npm error network" >&2; exit 1');
      const ended = await run(script);
      expect(ended).toMatchObject({ status: 1, stdout: '' });
      expect(ended.stderr).toMatch(
        /^1\/3 npm packages: npm ci \(about 30 s\)\nnpm error network\n\nstart: npm ci must succeed, .*then run: npm ci\n$/,
      );
    },
  );

  it.each(['quickstart.mjs', 'test.mjs'])(
    '%s ends with status 1 and the message of a set-up that cannot go on',
    async (script) => {
      tsc(`export const streamLog = () => ({ line() {} });
         export async function setup({ log }) { log.line('x'); throw Object.assign(new Error('setup: no network; run: npx halfway setup --from FILE'), { name: 'SetupError' }); }`);
      const ended = await run(script);
      expect(ended).toMatchObject({ status: 1, stdout: '' });
      expect(ended.stderr).toMatch(
        /3\/3 engine: libtorch and addon .*\n\nsetup: no network; run: npx halfway setup --from FILE\n$/,
      );
    },
  );

  it('stops at sources that do not compile', async () => {
    tsc(setupThatWorks, 2);
    const ended = await run('test.mjs');
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/must compile .*then run: npx tsc -b\n$/);
    expect((await run('test.mjs')).stderr).toContain('2/3 TypeScript'); // a failed build is not taken for a built one
  });

  it('runs the quickstart with its arguments and hands on its status', async () => {
    write('packages/ssl/bin/halfway.js', 'console.log(process.argv.slice(2).join(" ")); process.exitCode = 2;');
    expect(await run('quickstart.mjs', '--seed', '3')).toMatchObject({ status: 2, stdout: 'quickstart --seed 3\n' });
  });

  it.each([
    ['a failed test', report(['passed', 'failed', 'skipped'], 'failed'), 1, '1 passed, 1 failed'],
    ['an unhandled error', report(['passed']), 1, '1 passed, 1 failed'],
    ['no tests', report([]), 0, '0 passed, 1 failed'],
    ['a crash without a report', undefined, 134, '0 passed, 1 failed'],
  ])('counts %s as a failure in the last line', async (_, json, status, line) => {
    vitest(json, status);
    const ended = await run('test.mjs');
    expect(ended.status).toBe(1);
    expect(ended.stdout.trimEnd().split('\n').at(-1)).toBe(line);
  });

  it('counts a file that failed before its first test beside the failed tests of others', () => {
    const files = [...report(['failed', 'passed'], 'failed').testResults, ...report([], 'failed').testResults];
    expect(countResults({ testResults: files }, 1)).toEqual({ numPassed: 1, numFailed: 2 });
    expect(countResults({ testResults: report(['passed']).testResults }, 0)).toEqual({ numPassed: 1, numFailed: 0 });
  });
});
