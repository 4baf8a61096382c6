/** What the bits of a run depend on beside its configuration and photos: chosen at its start, kept when it goes on. */
import { availableParallelism } from 'node:os';
import * as torch from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { numDecodeProcesses } from '../data/decode/decodePool.js';
import type { EngineFingerprint } from '../protocol/run.js';
import { requireDevice } from '../requireDevice.js';
import { chooseComputeDtype } from './computeDtype.js';

/** Bytes of a decoded photo for one of its file: JPEG has 8 to 16, PNG less, WebP and AVIF more. */
const DECODED_PER_FILE_BYTE = 16;

/**
 * Sets the engine's threads and precision and says what it is. With `saved`, of the run that goes on, threads and dtype are
 * that run's and nothing is probed. Throws ConfigError when the device cannot be used.
 * @param fileBytes of all photos: whether decode processes will soon rest depends on it
 */
export function prepareEngine(config: Config, fileBytes: number, saved?: EngineFingerprint): EngineFingerprint {
  const { device, computeDtype, float32Precision } = config.train;
  requireDevice(device);
  torch.setNumThreads(saved?.threads ?? numThreads(config, fileBytes));
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

/**
 * `train.threads`; or all cores (at most OMP_NUM_THREADS), where decoded photos fit into memory, so that after the first epoch nobody decodes;
 * or those that decode processes leave over, since a thread too many makes all of them wait for it (docs/decisions/0002). What is free of memory,
 * which bounds the cache too, is left out: it differs from one start to the next.
 */
export function numThreads({ train, data }: Pick<Config, 'train' | 'data'>, fileBytes: number): number {
  if (train.threads > 0) return train.threads;
  const allowed = Number(process.env['OMP_NUM_THREADS']);
  const cores = allowed > 0 ? Math.min(allowed, availableParallelism()) : availableParallelism();
  const isCached = DECODED_PER_FILE_BYTE * fileBytes <= data.cacheMB * 1e6;
  return isCached ? cores : Math.max(1, cores - numDecodeProcesses(data));
}
