// What the engine holds, and how much it may: figures of the accounting allocator (native/allocator.cc) for the CPU, of libtorch's own for
// other devices.

import { resolveDevice } from './device.js';
import { type Device, deviceNumber } from './dtype.js';
import { TorchError } from './errors.js';
import { engine } from './native.js';

/** Bytes of the CPU's memory set aside for tensors and kernels, and the number of live handles on all devices. */
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

/** Bytes of a device's memory. */
export interface DeviceMemoryStats {
  /** Held by tensors. */
  readonly allocatedBytes: number;
  /** The most `allocatedBytes` since the start or `resetPeak`. */
  readonly peakAllocatedBytes: number;
  /** Taken from the driver: held by tensors, or kept for the next ones. */
  readonly reservedBytes: number;
  readonly peakReservedBytes: number;
  /** What the driver has left, for this process and others. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** Memory figures and the budget. */
export const memory = {
  /** The CPU's figures now. */
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

  /** A GPU's figures now. Throws DeviceError for the CPU, whose figures are `stats`, and for a device that cannot be used. */
  deviceStats(device: Device): DeviceMemoryStats {
    return engine().deviceMemory(deviceNumber(resolveDevice(device)));
  },

  /** Lets a device's peaks start again from what is live now. */
  resetPeak(device: Device = 'cpu'): void {
    if (device === 'cpu') engine().resetPeak();
    else engine().resetDevicePeak(deviceNumber(resolveDevice(device)));
  },

  /** Gives the bytes that are kept for the next tensors back to the system, or for a GPU, with all others, to the driver. */
  emptyCache(device: Device = 'cpu'): void {
    if (device === 'cpu') engine().emptyCache();
    else engine().emptyDeviceCache(deviceNumber(resolveDevice(device)));
  },

  /** Sets the budget of the CPU's memory in bytes. The default is nine tenths of what the control group allows or the machine has free at the start. */
  setBudget(bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new TorchError(`memory.setBudget: must be a number of bytes, got ${bytes}`);
    }
    engine().setBudget(bytes);
  },
};
