// What this machine is: platform, C library, CPU features and memory, as set-up and doctor need them. Linux only.

import { readFileSync } from 'node:fs';
import { arch, availableParallelism, platform, totalmem } from 'node:os';
import { SetupError } from './errors.js';

/** CPU model, and the instruction sets that decide how fast libtorch is. */
export interface CpuFeatures {
  readonly model: string;
  readonly threads: number;
  readonly avx2: boolean;
  readonly avx512: boolean;
  readonly avx512Bf16: boolean;
  readonly amxBf16: boolean;
}

/** Operating system, architecture and GNU C library version (undefined: another C library, such as musl). */
export interface Platform {
  readonly os: string;
  readonly arch: string;
  readonly glibc: string | undefined;
}

/** What decides whether the engine can run here. */
export interface Machine {
  readonly platform: Platform;
  readonly cpu: CpuFeatures;
}

/** This process's platform and CPU. */
export function detectMachine(): Machine {
  return { platform: detectPlatform(), cpu: readCpuFeatures() };
}

/** Reads the features out of the text of /proc/cpuinfo. */
export function parseCpuInfo(cpuInfo: string, threads: number): CpuFeatures {
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuInfo)?.[1]?.trim().split(/\s+/) ?? []);
  return {
    model: /^model name\s*:\s*(.*)$/m.exec(cpuInfo)?.[1]?.trim() ?? 'unknown',
    threads,
    // PyTorch's own AVX2 kernels are compiled with FMA too.
    avx2: flags.has('avx2') && flags.has('fma'),
    avx512: ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl'].every((flag) => flags.has(flag)),
    avx512Bf16: flags.has('avx512_bf16'),
    amxBf16: flags.has('amx_bf16') && flags.has('amx_tile'),
  };
}

/** The features of this machine's CPU; everything false where /proc/cpuinfo cannot be read. */
export function readCpuFeatures(): CpuFeatures {
  return parseCpuInfo(readText('/proc/cpuinfo') ?? '', availableParallelism());
}

function detectPlatform(): Platform {
  return { os: platform(), arch: arch(), glibc: glibcVersion() };
}

function glibcVersion(): string | undefined {
  const report: unknown = process.report.getReport();
  if (typeof report !== 'object' || report === null || !('header' in report)) return undefined;
  const header: unknown = report.header;
  if (typeof header !== 'object' || header === null || !('glibcVersionRuntime' in header)) return undefined;
  return typeof header.glibcVersionRuntime === 'string' ? header.glibcVersionRuntime : undefined;
}

/** Total memory in bytes that this process may use: the machine's, or its control group's limit where that is lower. */
export function memoryLimitBytes(): number {
  const limits = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes'].map((path) =>
    Number(readText(path) ?? Number.NaN),
  );
  return Math.min(totalmem(), ...limits.filter((limit) => Number.isFinite(limit) && limit > 0));
}

const minimumGlibc = '2.28';

/** Why the engine cannot run on a machine, as the error to throw; undefined when it can. */
export function machineProblem({ platform: on, cpu }: Machine): SetupError | undefined {
  const isLinux = on.os === 'linux' && on.arch === 'x64';
  if (!isLinux || on.glibc === undefined || isOlderVersion(on.glibc, minimumGlibc)) {
    return new SetupError(
      'unsupported-platform',
      `setup: halfway supports Linux on x86-64 with glibc ${minimumGlibc} or newer, got ${on.os} ${on.arch} with ` +
        `${on.glibc === undefined ? 'no glibc' : `glibc ${on.glibc}`}; use such a machine or container, for example: ` +
        `docker run -it node:22-bookworm`,
    );
  }
  if (!cpu.avx2) {
    return new SetupError(
      'wrong-cpu',
      `setup: the CPU must have AVX2 and FMA (Intel since Haswell 2013, AMD since Excavator 2015), got "${cpu.model}" without; in a virtual ` +
        `machine let it see the host's CPU (qemu: -cpu host), else use another machine; then run: npx halfway-torch setup`,
    );
  }
  return undefined;
}

/** Whether dotted version `a` is older than `b`, comparing numbers part by part and ignoring anything after them. */
export function isOlderVersion(a: string, b: string): boolean {
  const parts = (version: string) => (/^\d+(\.\d+)*/.exec(version)?.[0] ?? '0').split('.').map(Number);
  const [left, right] = [parts(a), parts(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined; // absent on this kernel or in this container
  }
}
