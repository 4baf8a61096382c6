// `halfway setup`: finds or fetches libtorch, then builds the addon. Running it again does nothing when nothing is left to do.

import { type AddonSources, findBuiltAddon, notFound, packageSources } from './addon.js';
import { type CacheFolder, type Env, cacheFolder, diskError, prepareCacheFolder } from './cacheFolder.js';
import { type BuiltAddon, buildAddon } from './compile.js';
import { requireCompiler } from './compiler.js';
import { type Machine, detectMachine, machineProblem } from './cpu.js';
import { type Pins, installLibtorch } from './install.js';
import { removeLeftovers } from './leftovers.js';
import type { Libtorch } from './libtorch.js';
import { type Location, locate } from './locate.js';
import { withLock } from './lock.js';
import { type SetupLog, silentLog } from './setupLog.js';

/** What to set up and how to speak of it. */
export interface SetupOptions {
  readonly env?: Env;
  readonly log?: SetupLog;
  /** Wheel files, or folders of wheels, to install instead of downloading. */
  readonly from?: readonly string[];
  /** Installs the CUDA part too (2.7 GB to download). */
  readonly cuda?: boolean;
  /** Installs and builds again what is already there. */
  readonly force?: boolean;
  /** Other wheels than the pinned ones (tests). */
  readonly pins?: Pins;
  /** Other sources than the package's own (tests). */
  readonly sources?: AddonSources;
  /** Another machine than this one (tests). */
  readonly machine?: Machine;
}

/** What is ready after `setup`. */
export interface SetupResult {
  readonly libtorch: Libtorch;
  /** Where libtorch was found: `HALFWAY_LIBTORCH`, `VIRTUAL_ENV`, `CONDA_PREFIX`, `python3 on PATH` or `cache`. */
  readonly origin: string;
  readonly addon: BuiltAddon;
  /** Whether this call installed or built anything. */
  readonly hasChanged: boolean;
}

/**
 * Makes the engine ready to load.
 * Throws SetupError with the next command, or EngineNotFoundError when HALFWAY_LIBTORCH names a folder that will not do.
 * @example await setup({ log: streamLog(process.stderr) });
 */
export async function setup(options: SetupOptions = {}): Promise<SetupResult> {
  const { env = process.env, log = silentLog, machine = detectMachine() } = options;
  const problem = machineProblem(machine);
  if (problem !== undefined) throw problem;
  const cache = cacheFolder(env);
  const ready = alreadyReady(options, cache);
  if (ready !== undefined) return ready;

  try {
    prepareCacheFolder(cache);
    return await withLock(cache.lock, () => setUpLocked(options, cache), {
      onWait: (owner) => {
        const who = owner === undefined ? '' : ` (process ${String(owner.pid)} on ${owner.host})`;
        log.line(`another setup is at work in ${cache.root}${who}; waiting for it to finish`);
      },
    });
  } catch (error) {
    // Any write may be the one that meets a full disk: what it means is said here, once.
    throw diskError(error, cache.root) ?? error;
  }
}

/** The result when nothing is left to do: decided without writing, so a read-only cache that is complete serves. */
function alreadyReady(options: SetupOptions, cache: CacheFolder): SetupResult | undefined {
  const { env = process.env, from = [], force = false, cuda = false } = options;
  const { libtorch, origin } = locate(env);
  if (libtorch === undefined || origin === undefined || force || from.length > 0 || (cuda && !libtorch.hasCuda))
    return undefined;
  const addon = findBuiltAddon(options.sources ?? packageSources(), libtorch, cache);
  if (addon === undefined) return undefined;
  return { libtorch, origin, addon: { path: addon.path, isNew: false, seconds: 0 }, hasChanged: false };
}

async function setUpLocked(options: SetupOptions, cache: CacheFolder): Promise<SetupResult> {
  const { env = process.env, log = silentLog, from = [], cuda = false, force = false } = options;
  removeLeftovers(cache);
  let location = locate(env);
  if (location.isChoiceBroken) throw notFound(location);
  const mustInstall = location.libtorch === undefined || from.length > 0 || (cuda && !location.libtorch.hasCuda);
  const isReinstall = force && location.origin === 'cache';
  if (mustInstall || isReinstall) {
    reportSearch(location, log);
    await requireCompiler(env); // before half a gigabyte is downloaded, not after
    const part = cuda || (isReinstall && !mustInstall && location.libtorch?.hasCuda === true) ? 'cuda' : 'cpu';
    const installed = await installLibtorch({
      ...{ cache, env, log, part, from, force },
      ...(options.pins === undefined ? {} : { pins: options.pins }),
    });
    location = locate(env);
    if (location.libtorch !== undefined && location.libtorch.root !== installed.root) {
      log.line(
        `${location.origin ?? ''} comes first: PyTorch ${location.libtorch.version} in ${location.libtorch.root} stays in use;`,
      );
      log.line(`  to use the one just installed: export HALFWAY_LIBTORCH=${installed.root}`);
    }
  }
  const { libtorch, origin } = location;
  if (libtorch === undefined || origin === undefined) throw notFound(location);
  log.line(`libtorch: PyTorch ${libtorch.version} in ${libtorch.root} (${origin})`);
  const addon = await buildAddon(libtorch, {
    ...{ env, log, force },
    ...(options.sources === undefined ? {} : { sources: options.sources }),
  });
  return { libtorch, origin, addon, hasChanged: addon.isNew || mustInstall || isReinstall };
}

function reportSearch(location: Location, log: SetupLog): void {
  log.line('looking for libtorch:');
  for (const { origin, path, reason } of location.attempts) log.line(`  ${origin}: ${path} ${reason}`);
}
