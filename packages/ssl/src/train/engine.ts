/** What the bits of a run depend on beside its configuration and photos: chosen at its start, kept when it goes on. */
import { availableParallelism } from 'node:os';
import * as torch from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { numDecodeProcesses } from '../data/decode/decodePool.js';
import type { EngineFingerprint } from '../protocol/run.js';
import { requireDevice } from '../requireDevice.js';
import { chooseComputeDtype } from './computeDtype.js';

/**
 * Sets the engine's threads and precision and says what it is. With `saved`, of the run that goes on, threads and dtype are
 * that run's and nothing is probed. Throws ConfigError when the device cannot be used.
 */
export function prepareEngine(config: Config, saved?: EngineFingerprint): EngineFingerprint {
  const { device, computeDtype, float32Precision } = config.train;
  requireDevice(device);
  torch.setNumThreads(saved?.threads ?? numThreads(config));
  torch.setFloat32MatmulPrecision(float32Precision);
  torch.setConvTf32(float32Precision !== 'highest');
  return {
    libtorch: torch.libtorchVersion(),
    cpuCapability: torch.cpuCapability(),
    threads: torch.getNumThreads(),
    computeDtype: saved?.computeDtype ?? chooseComputeDtype(computeDtype, device),
    float32Precision,
    device,
  };
}

/** What differs between the engine of a run and this one, for people; empty when the bits will be the same. */
export function engineDifferences(saved: EngineFingerprint, engine: EngineFingerprint): string {
  return Object.entries(engine)
    .flatMap(([key, value]: [string, unknown]) => {
      const before: unknown = saved[key as keyof EngineFingerprint];
      return before === value ? [] : [`${key} ${String(value)} where the run has ${String(before)}`];
    })
    .join(', ');
}

/** `train.threads`, or the cores that decode processes leave over: a thread too many makes all of them wait for it. */
function numThreads({ train, data }: Config): number {
  return train.threads > 0 ? train.threads : Math.max(1, availableParallelism() - numDecodeProcesses(data));
}
