// Where everything that set-up makes is kept: one folder a user may delete at any time.
//
//   <root>/libtorch/<version>-<part>/   unpacked wheels; `.complete` is written last
//   <root>/addon/<key>/                 halfway.node and its manifest.json
//   <root>/objects/                     compiled objects, so that one changed source does not cost all
//   <root>/downloads/  logs/  setup.lock

import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { SetupError, systemErrorCode } from './errors.js';

/** Environment variables as a plain record, so that tests can hand in their own. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The paths inside the cache folder. */
export interface CacheFolder {
  readonly root: string;
  readonly libtorch: string;
  readonly addon: string;
  readonly objects: string;
  readonly downloads: string;
  readonly logs: string;
  readonly lock: string;
}

/**
 * The cache folder: `HALFWAY_CACHE`, else `$XDG_CACHE_HOME/halfway`, else `~/.cache/halfway`.
 * An XDG_CACHE_HOME that is not absolute is ignored, as the XDG base directory specification asks.
 */
export function cacheFolder(env: Env): CacheFolder {
  const xdg = env.XDG_CACHE_HOME;
  const base = xdg?.startsWith('/') === true ? xdg : join(env.HOME ?? homedir(), '.cache');
  const chosen = env.HALFWAY_CACHE;
  const root = chosen ? resolve(chosen) : join(base, 'halfway');
  return {
    root,
    libtorch: join(root, 'libtorch'),
    addon: join(root, 'addon'),
    objects: join(root, 'objects'),
    downloads: join(root, 'downloads'),
    logs: join(root, 'logs'),
    lock: join(root, 'setup.lock'),
  };
}

/** Makes the cache folder and proves that a file can be written there. Throws SetupError 'cache-not-writable' or 'disk-full'. */
export function prepareCacheFolder(cache: CacheFolder): void {
  const probe = join(cache.root, `.write-test-${String(process.pid)}`);
  try {
    for (const folder of [cache.root, cache.libtorch, cache.addon, cache.objects, cache.downloads, cache.logs]) {
      makeFolder(folder);
    }
    writeFileSync(probe, 'x');
    rmSync(probe);
  } catch (error) {
    throw diskError(error, cache.root) ?? error;
  }
}

/** With those above it that are missing. Not mkdir's `recursive`, which on Node 20 never returns where no folder can be, as in /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    if (!existsSync(folder)) throw error; // else another process was faster
  }
}

/** The SetupError for a system error met while writing below `folder`, or undefined when it is of another kind. */
export function diskError(error: unknown, folder: string): SetupError | undefined {
  const code = systemErrorCode(error);
  if (isElsewhere(error, folder)) return undefined;
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return diskFullError(folder, error);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
    case 'ENOENT':
      return new SetupError(
        'cache-not-writable',
        `setup: cannot write to the cache folder ${folder} (${code}); choose one you can write to with ` +
          `HALFWAY_CACHE=/path/to/folder npx halfway-torch setup`,
        { cause: error },
      );
    default:
      return undefined;
  }
}

/** Whether a system error names a path that is neither below `folder` nor on the way to it. */
function isElsewhere(error: unknown, folder: string): boolean {
  const path = error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : folder;
  return !path.startsWith(folder) && !folder.startsWith(path);
}

/** The error for a write that met a full disk below `folder`. */
export function diskFullError(folder: string, cause?: unknown): SetupError {
  return new SetupError(
    'disk-full',
    `setup: the disk of the cache folder ${folder} is full; free some space, or choose another disk with ` +
      `HALFWAY_CACHE=/path/on/another/disk npx halfway-torch setup`,
    { cause },
  );
}

/** Bytes an ordinary user can still write on the disk that holds `folder`; undefined where the system does not say. */
export function freeBytes(folder: string): number | undefined {
  try {
    const stats = statfsSync(folder);
    return stats.bavail * stats.bsize;
  } catch {
    return undefined;
  }
}

/** Throws SetupError 'disk-full' unless `neededBytes` are free below the cache folder. */
export function expectFreeBytes(cache: CacheFolder, neededBytes: number, free = freeBytes(cache.root)): void {
  if (free === undefined || free >= neededBytes) return;
  throw new SetupError(
    'disk-full',
    `setup: the cache folder ${cache.root} needs ${formatBytes(neededBytes)} free while installing, got ${formatBytes(free)}; ` +
      `free some space, or choose another disk with HALFWAY_CACHE=/path/on/another/disk npx halfway-torch setup`,
  );
}

/** Bytes as people read them: `539 MB`, `1.2 GB` (powers of ten, as download pages count). */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(0)} MB`;
  return `${(bytes / 1e3).toFixed(0)} kB`;
}
