// Knows where the compiled addon belongs: a key over everything that it was made from. Looks only; compile.ts builds.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CacheFolder, type Env, cacheFolder } from './cacheFolder.js';
import { EngineNotFoundError } from './errors.js';
import { type Libtorch, isFile, listFolder } from './libtorch.js';
import { type Location, describeAttempts, locate } from './locate.js';

/** The C++ files of the addon and the headers of Node's C interface. */
export interface AddonSources {
  readonly folder: string;
  /** Names of the files to compile (.cc). */
  readonly units: readonly string[];
  /** Names of the files they may include (.h, .inc). */
  readonly headers: readonly string[];
  readonly nodeHeaders: string;
  readonly nodeHeadersVersion: string;
}

/** Flags of every compilation; the optimisation level is libtorch's own for code outside its kernels. */
export const compileFlags: readonly string[] = [
  ...[
    '-std=c++20',
    '-O2',
    '-fPIC',
    '-fopenmp',
    '-fvisibility=hidden',
    '-DNAPI_VERSION=8',
    '-D_GLIBCXX_USE_CXX11_ABI=1',
  ],
  ...['-Wall', '-Wextra', '-Wno-unused-parameter'],
];

/**
 * Flags of the linker. RPATH, not RUNPATH: it also serves the libraries that libtorch needs, and LD_LIBRARY_PATH cannot put another
 * libtorch before it. Never unloaded: libtorch keeps pointers into what is loaded. Node's own symbols (napi_*) stay open until loading.
 */
export const linkFlags: readonly string[] = [
  '-Wl,--disable-new-dtags',
  '-Wl,-z,nodelete',
  '-Wl,--allow-shlib-undefined',
];

/** The sources shipped with this package (the same folder seen from `src/setup` and from `dist/setup`). */
export function packageSources(folder: string = fileURLToPath(new URL('../../native', import.meta.url))): AddonSources {
  const names = listFolder(folder);
  const nodeHeadersPackage = createRequire(import.meta.url).resolve('node-api-headers/package.json');
  const about: unknown = JSON.parse(readFileSync(nodeHeadersPackage, 'utf8'));
  const version = typeof about === 'object' && about !== null && 'version' in about ? String(about.version) : '';
  return {
    folder,
    units: names.filter((name) => extname(name) === '.cc'),
    headers: names.filter((name) => extname(name) === '.h' || extname(name) === '.inc'),
    nodeHeaders: join(dirname(nodeHeadersPackage), 'include'),
    nodeHeadersVersion: version,
  };
}

/** First half of the addon's key: everything but the compiler, so that it can be computed without starting one. */
export function sourceKey(sources: AddonSources, libtorch: Libtorch): string {
  const hash = createHash('sha256');
  for (const name of [...sources.headers, ...sources.units]) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(sources.folder, name)))
      .update('\0');
  }
  hash.update([...compileFlags, ...linkFlags, sources.nodeHeadersVersion, libtorch.buildId].join('\0'));
  return hash.digest('hex').slice(0, 20);
}

/** What is written beside a built addon, as its last file. */
export interface AddonManifest {
  readonly compiler: string;
  readonly libtorch: string;
  readonly libtorchVersion: string;
  /** Seconds the build took. */
  readonly seconds: number;
  readonly bytes: number;
}

/** The addon's file name. */
export const addonFileName = 'halfway.node';

/** A built addon for these sources and this libtorch; undefined when there is none. Folders are `<sourceKey>-<compiler key>`. */
export function findBuiltAddon(
  sources: AddonSources,
  libtorch: Libtorch,
  cache: CacheFolder,
): { path: string; manifest: AddonManifest } | undefined {
  const key = sourceKey(sources, libtorch);
  for (const name of listFolder(cache.addon).filter((folder) => folder.startsWith(`${key}-`))) {
    const path = join(cache.addon, name, addonFileName);
    const manifest = readManifest(join(cache.addon, name));
    if (manifest !== undefined && isFile(path)) return { path, manifest };
  }
  return undefined;
}

/** Reads a build's manifest; undefined when it is absent or not whole (an interrupted build). */
export function readManifest(folder: string): AddonManifest | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    return isManifest(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isManifest(value: unknown): value is AddonManifest {
  return (
    typeof value === 'object' &&
    value !== null &&
    'compiler' in value &&
    typeof value.compiler === 'string' &&
    'libtorch' in value &&
    typeof value.libtorch === 'string' &&
    'libtorchVersion' in value &&
    typeof value.libtorchVersion === 'string' &&
    'seconds' in value &&
    typeof value.seconds === 'number' &&
    'bytes' in value &&
    typeof value.bytes === 'number'
  );
}

/**
 * The path of the compiled addon for the libtorch that `locate` finds. Synchronous, starts no program, a few milliseconds.
 * Throws EngineNotFoundError, with what was tried and the next command, when libtorch or the addon is missing.
 * @example process.dlopen(module, ensureAddonPath());
 */
export function ensureAddonPath(env: Env = process.env): string {
  const location = locate(env);
  if (location.libtorch === undefined) throw notFound(location);
  const addon = findBuiltAddon(packageSources(), location.libtorch, cacheFolder(env));
  if (addon !== undefined) return addon.path;
  throw new EngineNotFoundError(
    `engine: the addon must be compiled once for PyTorch ${location.libtorch.version} in ${location.libtorch.root}, and there is no build ` +
      `of it in ${cacheFolder(env).addon}; run: npx halfway-torch setup (about two minutes)`,
  );
}

/** The error for a search that found nothing. */
export function notFound(location: Location): EngineNotFoundError {
  const remedy = location.isChoiceBroken
    ? 'point HALFWAY_LIBTORCH at a PyTorch (its `torch` folder), or unset it and run: npx halfway-torch setup'
    : 'run: npx halfway-torch setup (downloads 554 MB), or point HALFWAY_LIBTORCH at a PyTorch (its `torch` folder)';
  return new EngineNotFoundError(
    `engine: no usable libtorch was found, tried\n${describeAttempts(location.attempts)}\n${remedy}`,
  );
}
