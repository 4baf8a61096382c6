// Which devices there are, and waiting for one. Streams of work are in deviceStream.ts, figures of memory in memory.ts.

import { type Device, deviceNumber, deviceOfNumber } from './dtype.js';
import { engine } from './native.js';

/** The devices that can be used: `cpu`, then `cuda:0`, `cuda:1`, ... The first question about GPUs asks the driver. */
export function devices(): Device[] {
  return ['cpu', ...Array.from({ length: engine().numGpus() }, (_, index): Device => `cuda:${index}`)];
}

/**
 * Why a device cannot be used and what to do about it, in words; undefined when it can. Throws DeviceError for what names no device.
 * @example const device = deviceProblem('cuda') === undefined ? 'cuda' : 'cpu';
 */
export function deviceProblem(device: Device): string | undefined {
  return engine().deviceProblem(deviceNumber(device)) ?? undefined;
}

/** The device with its number: `cuda` alone is the current GPU. Throws DeviceError, with what to do, when it cannot be used. */
export function resolveDevice(device: Device): Device {
  return deviceOfNumber(engine().resolveDevice(deviceNumber(device)));
}

/** Waits until all work on a device is done; on the CPU it always is. For measuring time. Throws DeviceError when it cannot be used. */
export function synchronize(device: Device): void {
  const resolved = resolveDevice(device);
  if (resolved !== 'cpu') engine().synchronizeDevice(deviceNumber(resolved));
}
