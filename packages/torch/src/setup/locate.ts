// Finds libtorch in the documented order: HALFWAY_LIBTORCH, the active Python environment, the cache folder. Starts no program,
// writes nothing, takes a few milliseconds; so it may run at every start.

import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Env, cacheFolder } from './cacheFolder.js';
import { isOlderVersion } from './cpu.js';
import { type Libtorch, inspectLibtorch, isFile, listFolder } from './libtorch.js';
import { pythonSiteFolders } from './pythonEnvironments.js';

/** One place that was looked at. */
export interface Attempt {
  /** `HALFWAY_LIBTORCH`, `VIRTUAL_ENV`, `CONDA_PREFIX`, `python3 on PATH` or `cache`. */
  readonly origin: string;
  readonly path: string;
  readonly outcome: 'found' | 'absent' | 'unusable';
  /** Why, in words that follow the path. */
  readonly reason: string;
}

/** What was found and everything that was tried for it. */
export interface Location {
  readonly libtorch: Libtorch | undefined;
  /** Where `libtorch` came from, undefined when there is none. */
  readonly origin: string | undefined;
  readonly attempts: readonly Attempt[];
  /** HALFWAY_LIBTORCH names a folder that will not do: nothing else was tried, since the choice was explicit. */
  readonly isChoiceBroken: boolean;
}

/**
 * Looks for a usable libtorch (>= 2.11, complete, C++11 interface), stopping at the first.
 * An unusable PyTorch in the Python environment is reported in `attempts` and passed over; an unusable HALFWAY_LIBTORCH ends the search.
 */
export function locate(env: Env = process.env, cwd: string = process.cwd()): Location {
  const attempts: Attempt[] = [];
  const consider = (origin: string, path: string, marker?: { problem: string | undefined }): Location | undefined => {
    const seen = marker?.problem === undefined ? inspectLibtorch(path, env) : { problem: marker.problem };
    if ('problem' in seen) {
      attempts.push({ origin, path, outcome: 'unusable', reason: seen.problem });
      return undefined;
    }
    attempts.push({ origin, path, outcome: 'found', reason: `is PyTorch ${seen.libtorch.version}` });
    return { libtorch: seen.libtorch, origin, attempts, isChoiceBroken: false };
  };

  const chosen = env.HALFWAY_LIBTORCH;
  if (chosen) {
    return (
      consider('HALFWAY_LIBTORCH', chosen) ?? { libtorch: undefined, origin: undefined, attempts, isChoiceBroken: true }
    );
  }
  for (const site of pythonSiteFolders(env, cwd)) {
    const torch = join(site.path, 'torch');
    if (!isFile(join(torch, '__init__.py'))) {
      attempts.push({ origin: site.origin, path: site.path, outcome: 'absent', reason: 'has no torch' });
      continue;
    }
    const found = consider(site.origin, hasOwnLibraries(torch) ? torch : resolve(site.path, '..', '..', '..'));
    if (found !== undefined) return found;
  }
  const cache = cacheFolder(env);
  const parts = installedParts(cache.libtorch);
  for (const part of parts) {
    const found = consider('cache', part.path, part);
    if (found !== undefined) return found;
  }
  if (parts.length === 0) {
    attempts.push({ origin: 'cache', path: cache.libtorch, outcome: 'absent', reason: 'has no installed libtorch' });
  }
  return { libtorch: undefined, origin: undefined, attempts, isChoiceBroken: false };
}

/** Conda keeps the libraries and headers of its torch package in the environment's own `lib` and `include`. */
function hasOwnLibraries(torch: string): boolean {
  const condaLibrary = resolve(torch, '..', '..', '..', 'libtorch_cpu.so');
  return isFile(join(torch, 'lib', 'libtorch_cpu.so')) || !isFile(condaLibrary);
}

/** The attempts as lines for people, for example `- cache /home/me/.cache/halfway/libtorch: has no installed libtorch`. */
export function describeAttempts(attempts: readonly Attempt[]): string {
  return attempts.map(({ origin, path, reason }) => `  - ${origin}: ${path} ${reason}`).join('\n');
}

/** The marker that `setup` writes into an unpacked libtorch as its last act. */
export interface CompleteMarker {
  readonly version: string;
  readonly part: 'cpu' | 'cuda';
  /** Size of libtorch_cpu.so in bytes when it was complete. */
  readonly cpuLibraryBytes: number;
  /** File names and SHA-256 of the wheels it was unpacked from. */
  readonly wheels: readonly { readonly file: string; readonly sha256: string }[];
}

/** The marker's file name. */
export const completeMarkerName = '.complete';

/** Folders in the cache that claim to be a libtorch, newest first and CUDA before CPU, each with its problem if its marker shows one. */
function installedParts(folder: string): { path: string; problem: string | undefined }[] {
  return listFolder(folder)
    .filter((name) => !name.startsWith('.'))
    .map((name) => ({ path: join(folder, name), marker: readMarker(join(folder, name)) }))
    .sort((a, b) => compareMarkers(a.marker, b.marker))
    .map(({ path, marker }) => ({ path, problem: markerProblem(path, marker) }));
}

function compareMarkers(a: CompleteMarker | undefined, b: CompleteMarker | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  if (isOlderVersion(a.version, b.version)) return 1;
  if (isOlderVersion(b.version, a.version)) return -1;
  return Number(b.part === 'cuda') - Number(a.part === 'cuda');
}

function markerProblem(path: string, marker: CompleteMarker | undefined): string | undefined {
  if (marker === undefined) return 'is incomplete (an installation was interrupted)';
  const size = statSync(join(path, 'torch', 'lib', 'libtorch_cpu.so'), { throwIfNoEntry: false })?.size;
  return size === marker.cpuLibraryBytes
    ? undefined
    : 'is damaged (libtorch_cpu.so has not the size it was installed with)';
}

/** Reads an installed folder's marker; undefined when it is absent or not whole. */
export function readMarker(path: string): CompleteMarker | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(path, completeMarkerName), 'utf8'));
    return isMarker(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isMarker(value: unknown): value is CompleteMarker {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    typeof value.version === 'string' &&
    'part' in value &&
    (value.part === 'cpu' || value.part === 'cuda') &&
    'cpuLibraryBytes' in value &&
    typeof value.cpuLibraryBytes === 'number' &&
    'wheels' in value &&
    Array.isArray(value.wheels)
  );
}
