// For tests only: a driver and a CUDA part of libtorch that hold no GPU code, and a recorder of what is opened. They stand at the border
// (the dynamic loader, and libtorch's registry of CUDA hooks), so that the engine itself is the real one.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { findOnPath, runCommand } from './commands.js';
import type { Libtorch } from './libtorch.js';

/** What lies on a machine. */
export interface CudaMachine {
  readonly hasDriver: boolean;
  /** `broken`: it needs a library that is not there. */
  readonly cudaLibrary: 'absent' | 'whole' | 'broken';
  readonly numGpus: number;
}

/** A program's end, and the libraries of CUDA that it opened, in order and with their flags: `libcuda.so.1 LAZY LOCAL`. */
export interface CudaRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly opened: readonly string[];
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

// The hooks that libtorch asks about CUDA, registered as libtorch_cuda.so registers its own: by a static object, at loading.
const cudaPart = `
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/FakeGuardImpl.h>
#include <cstdlib>
struct CUDAHooks : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return false; }
  c10::DeviceIndex deviceCount() const override { return std::atoi(std::getenv("CUDA_DOUBLE_GPUS")); }
};
using at::CUDAHooksRegistry;
using at::RegistererCUDAHooksRegistry;
REGISTER_CUDA_HOOKS(CUDAHooks)
namespace c10::impl {
C10_REGISTER_GUARD_IMPL(CUDA, FakeGuardImpl<DeviceType::CUDA>)
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
    const includes = libtorch.includeDirs.flatMap((folder) => ['-isystem', folder]);
    this.#compile('whole.so', cudaPart, ...includes, `-L${libtorch.libDir}`, '-ltorch_cpu', '-lc10');
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
    return { status, stdout, stderr, opened };
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
