/** RUN/export: encoder and adapter as one safetensors file, and the configuration needed to use them. */
import { join } from 'node:path';
import type { Tensor } from '@halfway/torch';
import type { Module } from '@halfway/torch/nn';
import { saveSafetensors } from '@halfway/torch/io';
import { PIXEL_MEAN, PIXEL_STD } from '../config/pixelStatistics.js';
import type { Config } from '../config/schema.js';
import { makeFolder } from '../makeFolder.js';
import { exportedTensors } from './exportedTensors.js';
import { diskError, writeAtomic } from './files.js';

/** Of the two files of an export. */
export const EXPORT_VERSION = 1;

/** The file of the weights. */
export const BACKBONE = 'backbone.safetensors';

/**
 * Writes `export/backbone.safetensors` and `export/config.json`; heads and decoders are left out, and of a teacher and its student
 * the one that `eval.weights` names.
 * @throws RunError when the disk does not take them
 */
export function exportBackbone(runDir: string, model: Module, config: Config): string {
  return writeBackbone(join(runDir, 'export'), exportedTensors(model.stateDict(), config.eval.weights), config);
}

/**
 * Writes `encoder.*` and `adapter.*` into a folder, in the form that `loadEncoder` reads.
 * @throws RunError when the disk does not take them
 */
export function writeBackbone(folder: string, tensors: ReadonlyMap<string, Tensor>, config: Config): string {
  const path = join(folder, BACKBONE);
  try {
    makeFolder(folder);
    saveSafetensors(path, tensors, { format: 'halfway', version: String(EXPORT_VERSION) });
  } catch (error) {
    throw diskError(path, error);
  }
  const description = {
    version: EXPORT_VERSION,
    model: config.model,
    split: config.split,
    pixels: { mean: PIXEL_MEAN, std: PIXEL_STD, range: [0, 1] },
  };
  writeAtomic(join(folder, 'config.json'), `${JSON.stringify(description, undefined, 2)}\n`);
  return path;
}
