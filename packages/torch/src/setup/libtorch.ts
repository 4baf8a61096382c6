// Looks at a folder that may hold libtorch and says what it is or why it will not do. Judged by capability, never by exact version.

import { readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Env } from './cacheFolder.js';
import { isOlderVersion } from './cpu.js';
import { type SharedLibrary, readDynamicStrings, readSharedLibrary } from './elf.js';

/** The oldest PyTorch whose C++ interface the addon is written for. */
export const minimumTorchVersion = '2.11';

/** A libtorch the addon can be built on and loaded with. */
export interface Libtorch {
  /** The folder with `include` and `lib`: a `torch` package or an unpacked libtorch archive. */
  readonly root: string;
  /** As it says itself, for example `2.15.0+cu132`. */
  readonly version: string;
  readonly includeDirs: readonly string[];
  readonly libDir: string;
  /** The OpenMP library that libtorch_cpu itself uses; the addon must share it, or each would keep its own team of threads. */
  readonly openmpLibrary: string;
  /** Further folders the loader must be told of (for example where libcudart was found). */
  readonly extraLibDirs: readonly string[];
  /** Whether libtorch_cuda.so lies beside it. */
  readonly hasCuda: boolean;
  /** Changes whenever the library may have changed: version, path, size and modification time of libtorch_cpu.so. */
  readonly buildId: string;
}

/** The result of looking at a folder. */
export type Inspection = { readonly libtorch: Libtorch } | { readonly problem: string };

// The C library and compiler runtime: always there, in folders only the loader knows.
const systemLibrary = /^(ld-linux|lib(c|m|dl|rt|pthread|util|gcc_s|stdc\+\+)\.so)/;
const openmpLibrary = /^lib(gomp|iomp5|omp)\b/;
const systemFolders = [
  '/lib/x86_64-linux-gnu',
  '/usr/lib/x86_64-linux-gnu',
  '/lib64',
  '/usr/lib64',
  '/usr/lib',
  '/usr/local/lib',
];

/**
 * Looks at `folder` (a `torch` package, a libtorch folder, or the folder that holds either).
 * @returns the usable libtorch, or the problem in words that fit after the folder's name; never throws for a bad folder
 */
export function inspectLibtorch(folder: string, env: Env = {}): Inspection {
  const root = [folder, join(folder, 'torch'), join(folder, 'libtorch')]
    .map((path) => resolve(path))
    .find((path) => isFile(join(path, 'lib', 'libtorch_cpu.so')));
  if (root === undefined) return { problem: 'has no lib/libtorch_cpu.so' };
  const includeDirs = ['include', 'include/torch/csrc/api/include'].map((path) => join(root, path));
  if (!isFile(join(root, 'include', 'ATen', 'ATen.h')))
    return { problem: 'has no include/ATen/ATen.h (a PyTorch without headers)' };

  const version = readVersion(root);
  if (version === undefined) return { problem: 'does not say its version (no version.py, version.h or build-version)' };
  if (isOlderVersion(version, minimumTorchVersion)) {
    return {
      problem: `is PyTorch ${version}, ${minimumTorchVersion} or newer is needed (pip install -U torch, or let setup fetch its own)`,
    };
  }
  try {
    return inspectLibraries(root, version, includeDirs, env);
  } catch (error) {
    return { problem: `cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function inspectLibraries(root: string, version: string, includeDirs: string[], env: Env): Inspection {
  const libDir = join(root, 'lib');
  const cpuLibrary = join(libDir, 'libtorch_cpu.so');
  const c10Library = join(libDir, 'libc10.so');
  if (!isFile(c10Library)) return { problem: 'has no lib/libc10.so' };
  if (!/_ZN3c10\w*NSt7__cxx1112basic_string/.test(readDynamicStrings(c10Library))) {
    return {
      problem:
        'was built with the old C++ library interface (_GLIBCXX_USE_CXX11_ABI=0); use the pip or the "cxx11 ABI" build',
    };
  }

  const cpu = readSharedLibrary(cpuLibrary);
  const found = new Map<string, string>();
  const extraLibDirs = new Set<string>();
  for (const name of cpu.needed.filter((needed) => !systemLibrary.test(needed))) {
    const place = findLibrary(name, cpu, libDir, root, env);
    if (place === undefined)
      return { problem: `needs ${name}, which is not beside it nor in the system's library folders` };
    found.set(name, place.path);
    if (place.isExtra) extraLibDirs.add(dirname(place.path));
  }
  const openmp = [...found].find(([name]) => openmpLibrary.test(name));
  if (openmp === undefined) return { problem: 'was built without OpenMP (libtorch_cpu.so needs no libgomp)' };
  const stats = statSync(cpuLibrary);
  return {
    libtorch: {
      root,
      version,
      includeDirs,
      libDir,
      openmpLibrary: openmp[1],
      extraLibDirs: [...extraLibDirs],
      hasCuda: isFile(join(libDir, 'libtorch_cuda.so')),
      buildId: [version, cpuLibrary, stats.size, Math.round(stats.mtimeMs)].join(' '),
    },
  };
}

/** Where the loader would find `name` for a library in `libDir`, and whether only with our help. */
function findLibrary(
  name: string,
  library: SharedLibrary,
  libDir: string,
  root: string,
  env: Env,
): { path: string; isExtra: boolean } | undefined {
  const ownFolders = library.searchPath.map((folder) => resolve(folder.replace(/^\$(ORIGIN|\{ORIGIN\})/, libDir)));
  const known = [...ownFolders, ...(env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean), ...systemFolders];
  const extra = [libDir, ...siblingLibDirs(root)];
  for (const [folders, isExtra] of [
    [known, false],
    [extra, true],
  ] as const) {
    const folder = folders.find((candidate) => isFile(join(candidate, name)));
    if (folder !== undefined) return { path: join(folder, name), isExtra };
  }
  return undefined;
}

/** Folders beside a torch package in which its dependencies are installed: site-packages/nvidia/<part>/lib, torch.libs, and conda's lib. */
function siblingLibDirs(root: string): string[] {
  const site = dirname(root);
  const nvidia = listFolder(join(site, 'nvidia')).map((part) => join(site, 'nvidia', part, 'lib'));
  const condaLib = basename(site) === 'site-packages' ? [resolve(site, '..', '..')] : [];
  return [
    ...nvidia,
    join(site, 'torch.libs'),
    ...condaLib,
    '/usr/local/cuda/lib64',
    '/usr/local/cuda/extras/CUPTI/lib64',
  ];
}

function readVersion(root: string): string | undefined {
  const sources: [path: string, pattern: RegExp][] = [
    ['version.py', /^__version__\s*=\s*['"]([^'"]+)['"]/m],
    ['build-version', /^(\d\S*)/],
    ['include/torch/headeronly/version.h', /define TORCH_VERSION\s*\\?\s*"([^"]+)"/],
    ['include/torch/csrc/api/include/torch/version.h', /define TORCH_VERSION\s*\\?\s*"([^"]+)"/],
  ];
  for (const [path, pattern] of sources) {
    const version = pattern.exec(readText(join(root, path)))?.[1];
    if (version !== undefined) return version;
  }
  return undefined;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // an absent file has no version in it
  }
}

/** The names in a folder, or none when it is absent. */
export function listFolder(path: string): string[] {
  try {
    return readdirSync(path).sort();
  } catch {
    return [];
  }
}

/** Whether a regular file (or a link to one) is there. */
export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
