/** RUN/export: encoder and adapter as one safetensors file, and the configuration needed to use them. */
import { join } from 'node:path';
import type { Module } from '@halfway/torch/nn';
import { saveSafetensors } from '@halfway/torch/io';
import type { Config } from '../config/schema.js';
import { PIXEL_MEAN, PIXEL_STD } from '../data/batch.js';
import { makeFolder } from '../makeFolder.js';
import { diskError, writeAtomic } from './files.js';

const EXPORT_VERSION = 1;

/**
 * Writes `export/backbone.safetensors` and `export/config.json`; heads and decoders are left out.
 * @throws RunError when the disk does not take them
 */
export function exportBackbone(runDir: string, network: Module, config: Config): string {
  const folder = join(runDir, 'export');
  const path = join(folder, 'backbone.safetensors');
  const exported = [...network.stateDict()].filter(([name]) => /^(encoder|adapter)\./.test(name));
  try {
    makeFolder(folder);
    saveSafetensors(path, new Map(exported), { format: 'halfway', version: String(EXPORT_VERSION) });
  } catch (error) {
    throw diskError(path, error);
  }
  const { model, split } = config;
  const description = {
    version: EXPORT_VERSION,
    model,
    split,
    pixels: { mean: PIXEL_MEAN, std: PIXEL_STD, range: [0, 1] },
  };
  writeAtomic(join(folder, 'config.json'), `${JSON.stringify(description, undefined, 2)}\n`);
  return path;
}
