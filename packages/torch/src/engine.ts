// The engine as a whole: threads and version.

import { engine } from './native.js';

/** Sets the number of threads that operators use, 1 to 1024, for the whole process. */
export function setNumThreads(count: number): void {
  engine().setNumThreads(count);
}

/** The number of threads that operators use. Default: the machine's cores, or OMP_NUM_THREADS. */
export function getNumThreads(): number {
  return engine().getNumThreads();
}

/** The instruction set libtorch's own kernels use: `DEFAULT`, `AVX2` or `AVX512`. */
export function cpuCapability(): string {
  return engine().cpuCapability();
}

/** The version of the libtorch that the addon was compiled against, for example `2.15.0`. */
export function libtorchVersion(): string {
  return engine().libtorchVersion();
}
