/** Which dtype to compute in, decided by a probe on this machine; the answer is saved in the run and used again on resume. */
import * as torch from '@halfway/torch';
import type { Config } from '../config/schema.js';

type ComputeDtype = 'float32' | 'bfloat16';
type TrainDevice = Config['train']['device'];

/** Side of the probe's matrices: a product far above the time of a call on either device. */
const SIDE = { cpu: 512, cuda: 4096 } as const;
const REPEATS = 8; // of which the least counts: decode processes start at the same time

/**
 * `bfloat16` where a matrix product on the device is at least a fifth faster in it than in float32. Measured on one core, bfloat16
 * over float32: 0.4 with AVX512-BF16, 10 with plain AVX512.
 */
export function chooseComputeDtype(wanted: Config['train']['computeDtype'], device: TrainDevice): ComputeDtype {
  if (wanted !== 'auto') return wanted;
  if (device === 'cpu' && torch.cpuCapability() !== 'AVX512') return 'float32'; // 300 times faster there, and a probe would take seconds
  return withOneThread(() => productMs('bfloat16', device) < 0.8 * productMs('float32', device))
    ? 'bfloat16'
    : 'float32';
}

/** What a run will compute in, as far as it can be known before: a GPU, which may not be here, is taken to be faster in bfloat16. */
export function plannedComputeDtype({ computeDtype, device }: Config['train']): ComputeDtype {
  return computeDtype === 'auto' && device === 'cuda' ? 'bfloat16' : chooseComputeDtype(computeDtype, device);
}

/** Two threads may have to wait for each other, and then say little of the arithmetic. */
function withOneThread<T>(fn: () => T): T {
  const threads = torch.getNumThreads();
  torch.setNumThreads(1);
  try {
    return fn();
  } finally {
    torch.setNumThreads(threads);
  }
}

function productMs(dtype: ComputeDtype, device: TrainDevice): number {
  return torch.scope(() => {
    const matrix = torch.full([SIDE[device], SIDE[device]], 0.5, { dtype, device });
    const times = Array.from({ length: REPEATS + 1 }, () => {
      torch.synchronize(device);
      const start = performance.now();
      matrix.matmul(matrix).dispose();
      torch.synchronize(device);
      return performance.now() - start;
    });
    return Math.min(...times.slice(1)); // the first call sets up the kernel
  });
}
