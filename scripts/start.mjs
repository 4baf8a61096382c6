// From a fresh clone to a working engine: npm packages, TypeScript build, libtorch and addon. Shared by quickstart.mjs and test.mjs.
// Node's built-ins only: there is no node_modules yet. Each step is skipped when its result is up to date (together about 0.3 s).

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The repository's root folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

const minimumNode = [20, 19];
const buildStamp = join(root, 'node_modules', '.halfway-build');

/** A step that cannot go on; the message ends with what to type next. */
export class StepError extends Error {}

/** Makes everything ready, or ends the process with status 1 and the next command. Speaks on standard error. */
export async function prepareOrExit() {
  try {
    checkNode(process.versions.node);
    await installPackages();
    await buildPackages();
    await setUpEngine();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // Errors of a user's machine explain themselves; a trace would hide the explanation.
    const isExpected = error instanceof StepError || ['SetupError', 'EngineNotFoundError'].includes(error.name);
    say(isExpected ? `\n${error.message}` : `\n${error.stack ?? error.message}`);
    process.exit(1);
  }
}

/** Runs a program with its output on our standard error (or all streams of our own) and returns its exit status; null: killed. */
export function run(command, args, { stdout = process.stderr, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['inherit', stdout, process.stderr], env });
    child.on('error', reject);
    child.on('close', resolve);
  });
}

/** Prints a line on standard error. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

function checkNode(version) {
  const [major, minor] = version.split('.').map(Number);
  const isNewEnough = major > minimumNode[0] || (major === minimumNode[0] && minor >= minimumNode[1]);
  if (!isNewEnough) {
    throw new StepError(
      `start: Node ${minimumNode.join('.')} or newer is needed, got ${version}; install it, for example: nvm install 22`,
    );
  }
}

async function installPackages() {
  if (hasInstalledPackages()) return;
  say('1/3 npm packages: npm ci (about 30 s)');
  const args = ['ci', '--no-audit', '--no-fund'];
  const npm = process.env.npm_execpath;
  const isScript = npm !== undefined && /npm-cli\.[cm]?js$/.test(npm);
  const status = await run(...(isScript ? [process.execPath, [npm, ...args]] : ['npm', args])).catch((error) => {
    throw new StepError(
      `start: npm could not be started (${error.message}); install Node with npm, then run the same command again`,
    );
  });
  if (status !== 0) {
    throw new StepError(
      `start: npm ci must succeed, got status ${status} (see above); check the network, then run: npm ci`,
    );
  }
}

/**
 * Whether node_modules holds what package-lock.json asks for. npm's own record of what it installed is compared entry by entry;
 * it is written last, so an interrupted installation does not count.
 */
function hasInstalledPackages() {
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  if (installed === undefined || wanted === undefined) return false;
  const names = Object.keys(wanted).filter((name) => name.includes('node_modules/'));
  const isSame = (name) =>
    installed[name]?.version === wanted[name].version && installed[name]?.integrity === wanted[name].integrity;
  const mayBeAbsent = (name) => wanted[name].optional === true || wanted[name].devOptional === true;
  return names.every((name) => (installed[name] === undefined ? mayBeAbsent(name) : isSame(name)));
}

async function buildPackages() {
  const state = sourceState();
  const isBuilt =
    existsSync(join(root, 'packages/torch/dist/setup/index.js')) && existsSync(join(root, 'packages/ssl/dist'));
  if (isBuilt && readText(buildStamp) === state) return;
  say('2/3 TypeScript: tsc -b (about 20 s)');
  const status = await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b']);
  if (status !== 0) {
    throw new StepError(
      'start: the TypeScript sources must compile (see the errors above); correct them, then run: npx tsc -b',
    );
  }
  writeFileSync(buildStamp, state);
}

/** A hash over path, size and modification time of everything that the build reads. */
function sourceState() {
  const hash = createHash('sha256');
  const files = ['tsconfig.json', 'tsconfig.base.json', 'package-lock.json'];
  for (const name of readdirSync(join(root, 'packages'))) {
    const sources = readdirSync(join(root, 'packages', name, 'src'), { recursive: true }).filter((file) =>
      /\.[cm]?tsx?$/.test(file),
    );
    files.push(
      join('packages', name, 'tsconfig.json'),
      ...sources.sort().map((file) => join('packages', name, 'src', file)),
    );
  }
  for (const file of files) {
    const stats = statSync(join(root, file), { throwIfNoEntry: false });
    hash.update(`${file} ${stats?.size} ${stats?.mtimeMs}\n`);
  }
  return hash.digest('hex');
}

async function setUpEngine() {
  const { setup, streamLog } = await import(pathToFileURL(join(root, 'packages/torch/dist/setup/index.js')).href);
  const log = streamLog(process.stderr);
  let hasTold = false;
  const tell = (write) => (text) => {
    if (!hasTold)
      say('3/3 engine: libtorch and addon (the first time 2 to 5 minutes: a download of 554 MB and a C++ build)');
    hasTold = true;
    write.call(log, text);
  };
  await setup({ log: { line: tell(log.line), progress: tell(log.progress) } });
}

function readJson(path) {
  const text = readText(path);
  return text === undefined ? undefined : JSON.parse(text);
}

function readText(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
