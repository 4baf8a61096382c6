// `halfway doctor`: looks at everything the engine needs and says what is wrong and what to type next. Changes nothing.
// The report is plain data (JSON); doctorText.ts turns it into lines.

import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { findBuiltAddon, packageSources } from './addon.js';
import { type CacheFolder, type Env, cacheFolder, formatBytes, freeBytes } from './cacheFolder.js';
import { findOnPath, runCommand } from './commands.js';
import { findCompiler } from './compiler.js';
import {
  type CpuFeatures,
  type Machine,
  type Platform,
  detectMachine,
  isOlderVersion,
  machineProblem,
  memoryLimitBytes,
} from './cpu.js';
import { type Libtorch, isFile } from './libtorch.js';
import { type LoadResult, type PartTrial, tryAddon } from './loadTest.js';
import { type Attempt, locate } from './locate.js';
import { findPip } from './python.js';

/** One thing that was looked at. */
export interface DoctorCheck {
  readonly name: string;
  readonly status: 'ok' | 'warning' | 'failed';
  /** What was found. */
  readonly detail: string;
  /** What to type or do, whenever the status is not ok. */
  readonly next?: string;
}

/** The whole report; every value survives JSON. */
export interface DoctorReport {
  /** No check failed: the engine works. */
  readonly ok: boolean;
  readonly checks: readonly DoctorCheck[];
  readonly node: string;
  readonly platform: Platform;
  readonly cpu: CpuFeatures;
  readonly memoryBytes: number;
  readonly cacheFolder: string;
  readonly libtorch: Libtorch | undefined;
  /** Every place that was searched for libtorch. */
  readonly tried: readonly Attempt[];
  readonly addonPath: string | undefined;
  readonly load: LoadResult | undefined;
}

const minimumNode = '20.19';
const setupCommand = 'npx halfway-torch setup';

/**
 * Examines this machine and, if the addon is built, tries it in a child process. Takes about two seconds.
 * @param machine another machine than this one (tests)
 */
export async function doctor(env: Env = process.env, machine: Machine = detectMachine()): Promise<DoctorReport> {
  const cache = cacheFolder(env);
  const memoryBytes = memoryLimitBytes();
  const location = locate(env);
  const { libtorch } = location;
  const built = libtorch === undefined ? undefined : findBuiltAddon(packageSources(), libtorch, cache);
  const load = built === undefined ? undefined : await tryAddon(built.path, env);
  const isReady = load?.ok === true;
  const checks = [
    nodeCheck(process.versions.node),
    await npmCheck(env),
    machineCheck(machine),
    memoryCheck(memoryBytes),
    await pipCheck(env, libtorch !== undefined),
    await compilerCheck(env, isReady),
    cacheCheck(cache, isReady),
    libtorchCheck(location),
    ...(libtorch === undefined ? [] : [addonCheck(built)]),
    ...(load === undefined ? [] : [loadCheck(load)]),
    cudaCheck(hasCudaDriver(), libtorch, load),
  ];
  return {
    ok: checks.every(({ status }) => status !== 'failed'),
    ...{ checks, node: process.versions.node, ...machine, memoryBytes, cacheFolder: cache.root },
    ...{ libtorch, tried: location.attempts, addonPath: built?.path, load },
  };
}

/** Node's version against the oldest supported one. */
export function nodeCheck(version: string): DoctorCheck {
  const name = 'Node';
  if (!isOlderVersion(version, minimumNode)) return { name, status: 'ok', detail: version };
  return {
    name,
    status: 'failed',
    detail: `${version}, ${minimumNode} or newer is needed`,
    next: 'install Node 22 (https://nodejs.org), for example: nvm install 22',
  };
}

async function npmCheck(env: Env): Promise<DoctorCheck> {
  const npm = findOnPath('npm', env);
  const version =
    npm === undefined ? undefined : (await runCommand([npm, '--version'], { env, timeoutMs: 30_000 })).stdout.trim();
  if (version !== undefined && version !== '') return { name: 'npm', status: 'ok', detail: version };
  return {
    name: 'npm',
    status: 'warning',
    detail: 'not found on PATH',
    next: 'install Node with npm (https://nodejs.org)',
  };
}

function machineCheck(machine: Machine): DoctorCheck {
  const { platform, cpu } = machine;
  const sets = [
    ...(cpu.avx2 ? ['AVX2'] : []),
    ...(cpu.avx512 ? ['AVX512'] : []),
    ...(cpu.avx512Bf16 ? ['AVX512-BF16'] : []),
    ...(cpu.amxBf16 ? ['AMX-BF16'] : []),
  ];
  const detail =
    `${platform.os} ${platform.arch}, glibc ${platform.glibc ?? 'none'}; ${cpu.model}, ${String(cpu.threads)} threads, ` +
    (sets.length === 0 ? 'no AVX2' : sets.join(' '));
  const problem = machineProblem(machine);
  if (problem === undefined) return { name: 'Machine', status: 'ok', detail };
  return { name: 'Machine', status: 'failed', detail, next: problem.message.slice(problem.message.indexOf('; ') + 2) };
}

function memoryCheck(bytes: number): DoctorCheck {
  const detail = `${formatBytes(bytes)} may be used`;
  if (bytes >= 4e9) return { name: 'Memory', status: 'ok', detail };
  return {
    name: 'Memory',
    status: 'warning',
    detail,
    next: 'training wants 4 GB: use a small batch (--set train.batch=32), or raise the limit of this container',
  };
}

async function pipCheck(env: Env, hasLibtorch: boolean): Promise<DoctorCheck> {
  const name = "Python's pip";
  const pip = await findPip(env);
  if (pip !== undefined) return { name, status: 'ok', detail: `${pip.version} (${pip.command.join(' ')})` };
  if (hasLibtorch) return { name, status: 'ok', detail: 'not found, and not needed: libtorch is there' };
  return {
    name,
    status: 'failed',
    detail: 'not found',
    next: `sudo apt install python3-pip, then: ${setupCommand}; or: ${setupCommand} --from torch-....whl`,
  };
}

async function compilerCheck(env: Env, isReady: boolean): Promise<DoctorCheck> {
  const name = 'C++ compiler';
  const { compiler, tried } = await findCompiler(env);
  if (compiler !== undefined)
    return { name, status: 'ok', detail: `${compiler.kind} ${compiler.version} (${compiler.command.join(' ')})` };
  if (isReady) return { name, status: 'ok', detail: 'not found, and not needed: the addon is built' };
  return {
    name,
    status: 'failed',
    detail: tried.join(', '),
    next: `sudo apt install g++ (12 or newer), then: ${setupCommand}`,
  };
}

function cacheCheck(cache: CacheFolder, isReady: boolean): DoctorCheck {
  const name = 'Cache folder';
  let existing = cache.root;
  while (!existsSync(existing)) existing = dirname(existing);
  const free = freeBytes(existing);
  const detail = `${cache.root}${free === undefined ? '' : `, ${formatBytes(free)} free`}`;
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
    return { name, status: 'ok', detail };
  } catch {
    const next = `HALFWAY_CACHE=/path/to/folder ${setupCommand}`;
    return { name, status: isReady ? 'warning' : 'failed', detail: `${detail}, not writable`, next };
  }
}

function libtorchCheck({ libtorch, origin, attempts, isChoiceBroken }: ReturnType<typeof locate>): DoctorCheck {
  const name = 'libtorch';
  const passedOver = attempts
    .filter(({ outcome }) => outcome === 'unusable')
    .map(({ path, reason }) => `${path} ${reason}`);
  if (libtorch === undefined) {
    const detail = passedOver.length === 0 ? 'not found' : `not found; ${passedOver.join('; ')}`;
    const next = isChoiceBroken
      ? `point HALFWAY_LIBTORCH at a PyTorch, or: unset HALFWAY_LIBTORCH && ${setupCommand}`
      : setupCommand;
    return { name, status: 'failed', detail, next };
  }
  const build = libtorch.hasCuda ? 'with CUDA' : 'CPU only';
  const note = passedOver.length === 0 ? '' : `; passed over: ${passedOver.join('; ')}`;
  return {
    name,
    status: 'ok',
    detail: `PyTorch ${libtorch.version}, ${build}, ${libtorch.root} (${origin ?? ''})${note}`,
  };
}

function addonCheck(built: ReturnType<typeof findBuiltAddon>): DoctorCheck {
  const name = 'Addon built';
  if (built === undefined)
    return { name, status: 'failed', detail: 'not for this libtorch and these sources', next: setupCommand };
  return {
    name,
    status: 'ok',
    detail: `${built.path} (${built.manifest.compiler}, ${built.manifest.seconds.toFixed(0)} s)`,
  };
}

function loadCheck(load: LoadResult): DoctorCheck {
  const name = 'Addon loads';
  if (load.ok) return { name, status: 'ok', detail: load.detail };
  return { name, status: 'failed', detail: load.detail, next: `${setupCommand} --force` };
}

/**
 * Which state CUDA is in: not asked for, in use and which parts of it were seen to work, or out of use and why.
 * @param load what the engine says of it, undefined when it could not be asked
 */
export function cudaCheck(
  hasDriver: boolean,
  libtorch?: Libtorch,
  load?: Pick<LoadResult, 'cudaProblem' | 'cudaParts'>,
): DoctorCheck {
  const name = 'CUDA';
  const problem = load?.cudaProblem;
  if (load !== undefined && problem === '') return partsCheck(name, load.cudaParts);
  if (!hasDriver) return { name, status: 'ok', detail: 'no NVIDIA driver on this machine: the CPU is used' };
  if (libtorch?.hasCuda !== true) {
    const detail = `an NVIDIA driver is present, but ${libtorch === undefined ? 'no libtorch' : 'this libtorch is for the CPU only'}`;
    return { name, status: 'warning', detail, next: `${setupCommand} --cuda` };
  }
  if (problem === undefined)
    return { name, status: 'ok', detail: "an NVIDIA driver and libtorch's CUDA part are present; not tried yet" };
  const [detail = '', next = ''] = problem.split(/; (?=[^;]*$)/);
  return { name, status: 'warning', detail, next };
}

function partsCheck(name: string, parts: readonly PartTrial[]): DoctorCheck {
  const working = parts.filter(({ problem }) => problem === '').map((part) => part.name);
  const broken = parts.filter(({ problem }) => problem !== '').map((part) => `${part.name}: ${part.problem}`);
  const detail = `seen to work: ${working.length === 0 ? 'nothing' : working.join(', ')}`;
  if (broken.length === 0) return { name, status: 'ok', detail };
  const next = `${setupCommand} --cuda --force; if it stays, report it with: npx halfway-torch doctor --json`;
  return { name, status: 'warning', detail: `${detail}; not: ${broken.join('; ')}`, next };
}

function hasCudaDriver(): boolean {
  return (
    existsSync('/proc/driver/nvidia/version') || existsSync('/dev/nvidiactl') || isFile('/usr/lib/wsl/lib/libcuda.so.1')
  );
}
