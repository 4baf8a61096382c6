// `npm test`: everything from nothing, then all tests. The last line of standard output is `N passed, N failed`; the exit status is 1
// when any failed, none ran, or the runner itself failed. Arguments go to vitest: npm test -- packages/torch

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareOrExit, root, run, say } from './start.mjs';

/**
 * Counts the results in a report of vitest's JSON reporter. A file that failed before its first test, and a run that failed
 * without a failed test (an unhandled error, a crash), count as one failure each.
 */
export function countResults(report, status) {
  const files = report?.testResults ?? [];
  const tests = files.flatMap((file) => file.assertionResults);
  const numPassed = tests.filter((test) => test.status === 'passed').length;
  const numBrokenFiles = files.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some(isFailed),
  ).length;
  const numFailed = tests.filter(isFailed).length + numBrokenFiles;
  return { numPassed, numFailed: numFailed === 0 && (status !== 0 || numPassed === 0) ? 1 : numFailed };
}

function isFailed(test) {
  return test.status === 'failed';
}

async function main() {
  await prepareOrExit();
  const folder = mkdtempSync(join(tmpdir(), 'halfway-test-'));
  const file = join(folder, 'report.json');
  const options = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const status = await run(process.execPath, [vitest, 'run', ...options, ...process.argv.slice(2)], {
    stdout: 'inherit',
  });
  const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  rmSync(folder, { recursive: true, force: true });

  const { numPassed, numFailed } = countResults(report, status);
  if (report === undefined)
    say(`test: vitest must leave a report, got none and status ${status}; see its messages above`);
  else if (status !== 0 && report.numFailedTests === 0)
    say(`test: vitest ended with status ${status}; see its messages above`);
  else if (numPassed === 0) say('test: at least one test must run, got none; check the file names given');
  process.stdout.write(`${numPassed} passed, ${numFailed} failed\n`);
  process.exitCode = numFailed === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename) await main();
