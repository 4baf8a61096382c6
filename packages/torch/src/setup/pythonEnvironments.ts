// Where the active Python environment would keep PyTorch, worked out from paths and small text files alone: starting Python costs
// 20 ms at best and seconds on a cold network disk. Sources: PEP 405 (pyvenv.cfg), the site module's documentation, pyenv's shims.

import { readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Env } from './cacheFolder.js';
import { findOnPath } from './commands.js';
import { isFile, listFolder } from './libtorch.js';

/** A folder in which Python would look for packages, and which environment made us look there. */
export interface SiteFolder {
  readonly path: string;
  /** For people: `VIRTUAL_ENV`, `CONDA_PREFIX` or `python3 on PATH`. */
  readonly origin: string;
}

/** Package folders of the active environments in the order in which they are asked: VIRTUAL_ENV, CONDA_PREFIX, the `python3` on PATH. */
export function pythonSiteFolders(env: Env, cwd: string = process.cwd()): SiteFolder[] {
  const folders: SiteFolder[] = [];
  for (const variable of ['VIRTUAL_ENV', 'CONDA_PREFIX']) {
    const prefix = env[variable];
    if (prefix) folders.push(...prefixFolders(resolve(prefix)).map((path) => ({ path, origin: variable })));
  }
  const python = findOnPath('python3', env) ?? findOnPath('python', env);
  if (python !== undefined) {
    const real = throughPyenv(python, env, cwd);
    folders.push(...folderOf(real, env).map((path) => ({ path, origin: 'python3 on PATH' })));
  }
  const seen = new Set<string>();
  return folders.filter(({ path }) => !seen.has(path) && seen.add(path));
}

/** The package folders of one python program, of its virtual environment if it is in one, and else of the user before the system's. */
function folderOf(python: string, env: Env): string[] {
  // The virtual environment is that of the link itself; what the link points to is the Python it was made from.
  const prefix = dirname(dirname(resolve(python)));
  const isVirtual = isFile(join(prefix, 'pyvenv.cfg'));
  if (isVirtual && !seesSystemPackages(prefix)) return prefixFolders(prefix);

  let real = python;
  try {
    real = realpathSync(python);
  } catch {
    // a dangling link: its own prefix is all there is
  }
  const minor = /python(3\.\d+)$/.exec(real)?.[1];
  const userBase = env.PYTHONUSERBASE ?? join(env.HOME ?? homedir(), '.local');
  const user = env.PYTHONNOUSERSITE ? [] : prefixFolders(userBase, minor);
  const system = prefixFolders(dirname(dirname(real)), minor);
  return [...(isVirtual ? prefixFolders(prefix) : []), ...user, ...system];
}

/** `lib/python3.N/{site,dist}-packages` below a prefix, newest Python first; Debian's shared and local folders for /usr. */
function prefixFolders(prefix: string, minor?: string): string[] {
  const libs = ['lib', 'lib64'].flatMap((lib) => {
    const versions = listFolder(join(prefix, lib)).filter((name) => /^python3\.\d+$/.test(name));
    const chosen = minor === undefined ? versions.sort(byMinor) : versions.filter((name) => name === `python${minor}`);
    return chosen.map((name) => join(prefix, lib, name));
  });
  const folders = libs.flatMap((lib) =>
    listFolder(lib)
      .filter((name) => /^(site|dist)-packages$/.test(name))
      .sort()
      .reverse()
      .map((name) => join(lib, name)),
  );
  if (prefix !== '/usr') return folders;
  return [...prefixFolders('/usr/local', minor), ...folders, '/usr/lib/python3/dist-packages'];
}

function byMinor(a: string, b: string): number {
  return Number(b.slice('python3.'.length)) - Number(a.slice('python3.'.length));
}

function seesSystemPackages(prefix: string): boolean {
  return /^include-system-site-packages\s*=\s*true\s*$/im.test(readFileSync(join(prefix, 'pyvenv.cfg'), 'utf8'));
}

/** pyenv puts shell scripts on PATH; the Python they would start is named by PYENV_VERSION, a `.python-version` file or `<root>/version`. */
function throughPyenv(python: string, env: Env, cwd: string): string {
  if (!python.includes('/shims/')) return python;
  const root = env.PYENV_ROOT ?? dirname(dirname(python));
  const named = [
    env.PYENV_VERSION,
    ...upwards(cwd).map((folder) => readLine(join(folder, '.python-version'))),
    readLine(join(root, 'version')),
  ];
  const version = named.find((name) => name !== undefined && name !== '')?.split(':')[0];
  if (version === undefined) return python;
  const real = join(root, 'versions', version, 'bin', 'python3');
  return isFile(real) ? real : python;
}

function upwards(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...upwards(parent)];
}

function readLine(path: string): string | undefined {
  return isFile(path) ? readFileSync(path, 'utf8').split('\n')[0]?.trim() : undefined;
}
