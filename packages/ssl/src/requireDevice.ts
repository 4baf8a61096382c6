import { deviceProblem } from '@halfway/torch';
import type { Config } from './config/schema.js';
import { ConfigError } from './errors.js';

/** Throws ConfigError, with what to do, when a device cannot be used. There is no silent way back to the CPU. */
export function requireDevice(device: Config['train']['device']): void {
  const problem = deviceProblem(device);
  if (problem !== undefined) throw new ConfigError(`--device: ${device} cannot be used: ${problem}`, 'train.device');
}
