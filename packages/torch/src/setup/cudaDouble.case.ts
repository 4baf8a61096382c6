// For tests only: a machine with GPUs that hold no GPU code: a driver, a CUDA part of libtorch (cudaDouble.case.cc), and a recorder of what
// is opened. They stand at the border (the dynamic loader, and what libtorch registers for CUDA), so that the engine itself is the real one.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from './cacheFolder.js';
import { findOnPath, runCommand } from './commands.js';
import type { Libtorch } from './libtorch.js';

const cudaPart = readFileSync(fileURLToPath(new URL('../../src/setup/cudaDouble.case.cc', import.meta.url)), 'utf8');

/** What lies on a machine. */
export interface CudaMachine {
  readonly hasDriver: boolean;
  /** `broken`: it needs a library that is not there. */
  readonly cudaLibrary: 'absent' | 'whole' | 'broken';
  readonly numGpus: number;
}

/** A program's end and what it did. */
export interface CudaRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The libraries of CUDA that it opened, in order and with their flags: `libcuda.so.1 LAZY LOCAL`. */
  readonly opened: readonly string[];
  /** What the CUDA part was asked for that no result shows: `wait for device 0`. */
  readonly asked: readonly string[];
}

// Stands before the C library's dlopen. Node opens the addon with it too, and libtorch what it likes.
const recorder = `
#include <dlfcn.h>
#include <cstdio>
#include <cstdlib>
extern "C" void* dlopen(const char* path, int flags) noexcept {
  const char* log = getenv("CUDA_DOUBLE_LOG");
  FILE* file = log == NULL || path == NULL ? NULL : fopen(log, "a");
  if (file != NULL) {
    fprintf(file, "%s %s %s\\n", path, flags & RTLD_NOW ? "NOW" : "LAZY", flags & RTLD_GLOBAL ? "GLOBAL" : "LOCAL");
    fclose(file);
  }
  static auto* real = reinterpret_cast<void* (*)(const char*, int)>(dlsym(RTLD_NEXT, "dlopen"));
  return real(path, flags);
}`;

/** The built doubles beside links to one real libtorch. Call `remove` at the end. */
export class CudaDouble {
  readonly #root = mkdtempSync(join(tmpdir(), 'halfway-cuda-double-'));
  readonly #libtorch: Libtorch;
  #numRuns = 0;

  constructor(libtorch: Libtorch) {
    this.#libtorch = libtorch;
    this.#compile('recorder.so', recorder);
    this.#compile('libcuda.so.1', '');
    this.#compile('libmissing.so', '');
    this.#compile('broken.so', '', `-L${this.#root}`, '-lmissing');
    symlinkSync(this.#wholePart(), join(this.#root, 'whole.so'));
    rmSync(join(this.#root, 'libmissing.so'));
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  /** The environment in which a process believes to be on that machine, and the file that tells what it opened. */
  environment({ hasDriver, cudaLibrary, numGpus }: CudaMachine): { env: Record<string, string>; log: string } {
    const folder = mkdtempSync(join(this.#root, `run-${String(++this.#numRuns)}-`));
    const log = join(folder, 'log');
    // libtorch is where libc10 was loaded from: a link to the real one, loaded first, makes it our folder.
    symlinkSync(join(this.#libtorch.libDir, 'libc10.so'), join(folder, 'libc10.so'));
    if (cudaLibrary !== 'absent') symlinkSync(join(this.#root, `${cudaLibrary}.so`), join(folder, 'libtorch_cuda.so'));
    if (hasDriver) symlinkSync(join(this.#root, 'libcuda.so.1'), join(folder, 'libcuda.so.1'));
    const env = {
      LD_PRELOAD: `${join(this.#root, 'recorder.so')}:${join(folder, 'libc10.so')}`,
      LD_LIBRARY_PATH: folder,
      CUDA_DOUBLE_LOG: log,
      CUDA_DOUBLE_GPUS: String(numGpus),
    };
    return { env, log };
  }

  /** Runs a program (an ES module) on that machine. */
  async run(machine: CudaMachine, program: string, more: Record<string, string> = {}): Promise<CudaRun> {
    const { env, log } = this.environment(machine);
    const command = [process.execPath, '--input-type=module', '--eval', program];
    const { status, stdout, stderr } = await runCommand(command, { env: { ...process.env, ...env, ...more } });
    const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [];
    const opened = lines.map((line) => basename(line)).filter((line) => /^(halfway\.node|libcuda|libtorch)/.test(line));
    const asked = lines.filter((line) => line.startsWith('cuda: ')).map((line) => line.slice('cuda: '.length));
    return { status, stdout, stderr, opened, asked };
  }

  /** The compiled CUDA part, which takes 15 s: kept among the addon's objects, and removed with them. */
  #wholePart(): string {
    const { libDir, includeDirs, buildId } = this.#libtorch;
    const { objects } = cacheFolder(process.env);
    const key = createHash('sha256').update(`${cudaPart}\0${buildId}`).digest('hex').slice(0, 20);
    const path = join(objects, `cudaDouble-${key}.so`);
    if (existsSync(path)) return path;
    const includes = includeDirs.flatMap((folder) => ['-isystem', folder]);
    this.#compile('cudaDouble.so', cudaPart, ...includes, `-L${libDir}`, '-ltorch_cpu', '-lc10');
    mkdirSync(objects, { recursive: true });
    const aside = `${path}.${String(process.pid)}`;
    copyFileSync(join(this.#root, 'cudaDouble.so'), aside);
    renameSync(aside, path);
    return path;
  }

  #compile(name: string, source: string, ...options: string[]): void {
    const output = join(this.#root, name);
    const shared = [
      '-shared',
      '-fPIC',
      '-Wl,--no-as-needed,--allow-shlib-undefined',
      `-Wl,-soname,${name}`,
      '-o',
      output,
    ];
    const input = ['-x', 'c++', '-std=c++20', '-'];
    execFileSync(findOnPath('c++', process.env) ?? 'g++', [...shared, ...input, ...options], { input: source });
  }
}
