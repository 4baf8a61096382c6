// What the engine holds, and how much it may: figures of the accounting allocator (native/allocator.cc), CPU memory only.

import { TorchError } from './errors.js';
import { engine } from './native.js';

/** Bytes set aside for tensors and kernels, and the number of live handles. */
export interface MemoryStats {
  readonly liveBytes: number;
  /** The most `liveBytes` since the start or `resetPeak`. */
  readonly peakBytes: number;
  /** A request that would take `liveBytes` beyond this is an OutOfMemoryError. */
  readonly budgetBytes: number;
  /** Bytes freed by tensors and kept for the next ones of the same size; given up before the budget is exceeded. */
  readonly cachedBytes: number;
  readonly liveTensors: number;
}

/** Memory figures and the budget. */
export const memory = {
  /** The figures now. */
  stats(): MemoryStats {
    const addon = engine();
    return {
      liveBytes: addon.liveBytes(),
      peakBytes: addon.peakBytes(),
      budgetBytes: addon.budgetBytes(),
      cachedBytes: addon.cachedBytes(),
      liveTensors: addon.liveTensors(),
    };
  },

  /** Lets the peak start again from what is live now. */
  resetPeak(): void {
    engine().resetPeak();
  },

  /** Gives the cached bytes back to the system. */
  emptyCache(): void {
    engine().emptyCache();
  },

  /** Sets the budget in bytes. The default is nine tenths of what the control group allows or the machine has free at the start. */
  setBudget(bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new TorchError(`memory.setBudget: must be a number of bytes, got ${bytes}`);
    }
    engine().setBudget(bytes);
  },
};
