// Puts a libtorch into the cache: wheels from pip or from disk, unpacked in a folder aside, checked, marked, then renamed into place.
// A reader never sees half an installation, and an interrupted one costs only its time.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type CacheFolder, type Env, expectFreeBytes, formatBytes } from './cacheFolder.js';
import { isOlderVersion } from './cpu.js';
import { downloadWheel, fetchElsewhere, sha256 } from './download.js';
import { SetupError } from './errors.js';
import { type Libtorch, inspectLibtorch, isFile, listFolder, minimumTorchVersion } from './libtorch.js';
import { type CompleteMarker, completeMarkerName, readMarker } from './locate.js';
import { requirePip, requirePython } from './python.js';
import type { SetupLog } from './setupLog.js';
import { type Part, unpackWheel } from './unpack.js';
import { type WheelPin, wheelPins } from './wheelPins.js';

/** The wheels of one part; replaced by tiny ones in tests. */
export type Pins = Readonly<Record<Part, readonly [WheelPin, ...WheelPin[]]>>;

/** What to install. */
export interface InstallOptions {
  readonly cache: CacheFolder;
  readonly env: Env;
  readonly log: SetupLog;
  readonly part: Part;
  /** Wheel files or folders of wheels on disk, taken instead of a download; empty: the pinned wheels. */
  readonly from: readonly string[];
  /** Installs again even if a complete one is there. */
  readonly force: boolean;
  readonly pins?: Pins;
}

interface Plan {
  readonly version: string;
  readonly local: readonly string[];
  readonly remote: readonly WheelPin[];
}

/**
 * Installs libtorch into the cache folder. The caller holds the set-up lock.
 * @returns the installed libtorch
 * Throws SetupError of any kind of its steps.
 */
export async function installLibtorch(options: InstallOptions): Promise<Libtorch> {
  const { cache, env, log, part, force } = options;
  const pins = options.pins ?? wheelPins;
  const plan = options.from.length === 0 ? pinnedPlan(pins, part) : planFromDisk(options.from, pins, part);
  const target = join(cache.libtorch, `${plan.version}-${part}`);
  if (!force && readMarker(target) !== undefined) {
    const present = inspectLibtorch(target, env);
    if ('libtorch' in present) {
      log.line(`libtorch ${plan.version} (${part}) is already installed in ${target}`);
      return present.libtorch;
    }
  }

  expectFreeBytes(cache, neededBytes(plan, part));
  const python = await requirePython(env);
  const wheels = [...(await verifyLocal(plan, pins, log)), ...(await downloadAll(plan, options))];
  log.line(
    `unpacking the ${part === 'cpu' ? 'CPU' : 'CUDA'} part (${part === 'cpu' ? 'about 10 s' : 'about a minute'})`,
  );
  const staging = mkdtempSync(join(cache.libtorch, '.partial-'));
  try {
    let writtenBytes = 0;
    for (const wheel of wheels)
      writtenBytes += await unpackWheel(wheel.path, staging, { part, python, env, log, cache });
    const seen = inspectLibtorch(staging, env);
    if ('problem' in seen) throw unusable(wheels[0]?.path ?? '', seen.problem, options.from.length > 0, pins);
    writeMarker(staging, { version: seen.libtorch.version, part, wheels });
    chmodSync(staging, 0o755); // as mkdtemp made it, nobody else could use a shared cache
    moveInto(staging, target);
    log.line(`libtorch ${seen.libtorch.version} (${part}, ${formatBytes(writtenBytes)}) is in ${target}`);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  for (const pin of plan.remote) rmSync(join(cache.downloads, pin.file), { force: true });

  const installed = inspectLibtorch(target, env);
  if ('problem' in installed) throw unusable(target, installed.problem, false, pins);
  return installed.libtorch;
}

function pinnedPlan(pins: Pins, part: Part): Plan {
  return { version: pins[part][0].version, local: [], remote: pins[part] };
}

/**
 * The wheels to take from disk: the torch wheel named (or in the named folder), and NVIDIA's wheels named or lying beside it.
 * For the pinned torch wheel, what is missing on disk is downloaded.
 */
function planFromDisk(from: readonly string[], pins: Pins, part: Part): Plan {
  const named = from.map((path) => resolve(path));
  for (const path of named) {
    if (!existsSync(path)) {
      throw new SetupError(
        'wrong-wheel',
        `setup: --from names a file or folder that must exist, got ${path}; check the path, then run: npx halfway-torch setup --from FILE`,
      );
    }
  }
  const listed = named.flatMap((path) => (isFile(path) ? [path] : wheelsIn(path)));
  const torch = listed.find((path) => /^torch-\d/.test(basename(path)));
  if (torch === undefined) throw notATorchWheel(named.join(', '), 'no torch-*.whl there');
  checkTorchTag(torch);
  const isPart = (path: string) => (part === 'cpu' ? /^nvidia_cuda_(runtime|cupti)/ : /^nvidia_/).test(basename(path));
  const beside = wheelsIn(dirname(torch)).filter(isPart);
  const companions = [...new Map([...beside, ...listed.filter(isPart)].map((path) => [basename(path), path])).values()];

  const isPinned = basename(torch) === pins[part][0].file;
  const remote = isPinned
    ? pins[part].slice(1).filter((pin) => !companions.some((path) => basename(path) === pin.file))
    : [];
  const version = /^torch-([^-]+)-/.exec(basename(torch))?.[1] ?? '';
  return { version, local: [torch, ...companions], remote };
}

function wheelsIn(folder: string): string[] {
  return listFolder(folder)
    .filter((name) => name.endsWith('.whl'))
    .map((name) => join(folder, name));
}

function checkTorchTag(path: string): void {
  const name = basename(path);
  const parts = /^torch-([^-]+)-[^-]+-[^-]+-(\S+)\.whl$/.exec(name);
  if (parts === null) throw notATorchWheel(path, 'its name is not that of a wheel');
  const [, version = '', platform = ''] = parts;
  if (!/(manylinux\w*|linux)_x86_64/.test(platform))
    throw notATorchWheel(path, `it is for ${platform}, not Linux x86-64`);
  if (isOlderVersion(version, minimumTorchVersion)) {
    throw new SetupError(
      'libtorch-unusable',
      `setup: PyTorch ${minimumTorchVersion} or newer is needed, got ${name}; fetch a newer one: ${fetchElsewhere(wheelPins.cpu[0])}`,
    );
  }
}

function notATorchWheel(path: string, reason: string): SetupError {
  return new SetupError(
    'wrong-wheel',
    `setup: --from needs a torch wheel for Linux x86-64, got ${path} (${reason}); fetch one with: ${fetchElsewhere(wheelPins.cpu[0])}`,
  );
}

interface Wheel {
  readonly path: string;
  readonly sha256: string;
}

async function verifyLocal(plan: Plan, pins: Pins, log: SetupLog): Promise<Wheel[]> {
  const wheels: Wheel[] = [];
  for (const path of plan.local) {
    log.progress(`checking ${basename(path)}`);
    const digest = await sha256(path);
    const pin = [...pins.cpu, ...pins.cuda].find(({ file }) => file === basename(path));
    if (pin !== undefined && digest !== pin.sha256) {
      throw new SetupError(
        'corrupt-wheel',
        `setup: ${path} must have the SHA-256 ${pin.sha256.slice(0, 12)}... (${String(pin.bytes)} bytes), got ${digest.slice(0, 12)}... ` +
          `(${String(statSync(path).size)} bytes): it is damaged or incomplete; fetch it again: ${fetchElsewhere(pin)}`,
      );
    }
    wheels.push({ path, sha256: digest });
  }
  return wheels;
}

async function downloadAll(plan: Plan, { cache, env, log }: InstallOptions): Promise<Wheel[]> {
  if (plan.remote.length === 0) return [];
  const pip = await requirePip(env);
  const totalBytes = plan.remote.reduce((sum, pin) => sum + pin.bytes, 0);
  const slowSeconds = totalBytes / 10e6;
  log.line(
    `downloading ${String(plan.remote.length)} wheels with pip ${pip.version}: ${formatBytes(totalBytes)}, ` +
      `about ${slowSeconds < 90 ? `${slowSeconds.toFixed(0)} s` : `${(slowSeconds / 60).toFixed(0)} min`} at 10 MB/s`,
  );
  const wheels: Wheel[] = [];
  for (const pin of plan.remote) {
    wheels.push({ path: await downloadWheel(pin, { cache, env, log, pip }), sha256: pin.sha256 });
  }
  return wheels;
}

/**
 * Free space while installing: the downloaded wheels and then either pip's second copy of the largest, or what is unpacked, whichever
 * is more. Unpacked over packed was measured at 0.94 (CPU part of torch 2.15) and 1.56 (all of it).
 */
function neededBytes(plan: Plan, part: Part): number {
  const remote = plan.remote.map((pin) => pin.bytes);
  const local = plan.local.map((path) => statSync(path).size);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const unpacked = (part === 'cpu' ? 1.1 : 1.7) * sum([...remote, ...local]);
  return sum(remote) + Math.max(unpacked, ...remote);
}

function unusable(path: string, problem: string, isFromDisk: boolean, pins: Pins): SetupError {
  const companions = pins.cpu.slice(1).map((pin) => pin.file);
  const advice = isFromDisk
    ? `use a "+cpu" wheel of PyTorch, or put the NVIDIA wheels it needs beside it (for torch ${pins.cpu[0].version}: ${companions.join(', ')}), then run again`
    : 'run: npx halfway-torch setup --force';
  return new SetupError('libtorch-unusable', `setup: ${path} ${problem}; ${advice}`);
}

function writeMarker(folder: string, facts: { version: string; part: Part; wheels: readonly Wheel[] }): void {
  const marker: CompleteMarker = {
    version: facts.version,
    part: facts.part,
    cpuLibraryBytes: statSync(join(folder, 'torch', 'lib', 'libtorch_cpu.so')).size,
    wheels: facts.wheels.map((wheel) => ({ file: basename(wheel.path), sha256: wheel.sha256 })),
  };
  writeFileSync(join(folder, completeMarkerName), `${JSON.stringify(marker, null, 2)}\n`, { flush: true });
}

/** Renames `staging` to `target`; an older folder there is moved aside first, so that the gap is one rename. */
function moveInto(staging: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  const old = join(dirname(target), `.old-${basename(target)}-${String(process.pid)}`);
  if (existsSync(target)) renameSync(target, old);
  renameSync(staging, target);
  rmSync(old, { recursive: true, force: true });
}
