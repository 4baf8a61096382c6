/** Encoder and adapter in a folder, in the form that other programs load. */
import { join } from 'node:path';
import type { Tensor } from '@halfway/torch';
import { saveSafetensors } from '@halfway/torch/io';
import type { Module } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import { splitDims } from '../config/splitDims.js';
import { ConfigError } from '../errors.js';
import { Vit, vitConfig } from '../models/vit.js';
import { BACKBONE, writeBackbone } from '../run/exportBackbone.js';
import { writeAtomic } from '../run/files.js';
import type { LoadedEncoder } from '../run/loadEncoder.js';
import { staleFiles, writeExport } from './exportFolder.js';
import type { ExportFormat, FormatName } from './formatNames.js';
import { formatNamed } from './formats.js';
import { huggingFaceConfig, huggingFacePreprocessing } from './huggingFace.js';
import { timmConfig } from './timm.js';
import { toTheirs } from './translate.js';
import { shapeSettings, type VitSettings } from './vitSettings.js';

const [MODEL, ADAPTER] = ['model.safetensors', 'adapter.safetensors'] as const;

interface Layout {
  readonly names: FormatName;
  /** Texts beside the weights, by file name. */
  readonly describe: (settings: VitSettings) => Readonly<Record<string, object>>;
}

const LAYOUTS: Readonly<Record<Exclude<ExportFormat, 'safetensors'>, Layout>> = {
  timm: { names: 'timm', describe: (settings) => ({ 'config.json': timmConfig(settings) }) },
  hf: {
    names: 'hf-dinov2',
    describe: (settings) => ({
      'config.json': huggingFaceConfig(settings),
      'preprocessor_config.json': huggingFacePreprocessing(settings),
    }),
  },
};

/**
 * Writes an encoder and its adapter into a folder.
 *
 * - `safetensors`: `backbone.safetensors` and `config.json`, as in a run's export folder.
 * - `timm`, `hf`: `model.safetensors` and `config.json` of the encoder alone, and where there is an adapter `adapter.safetensors`
 *   (`proj.weight` [d, D], `proj.bias` [d], both f32). The metadata of the file that makes the features, of the adapter's where there is
 *   one, say which of them are invariant and which equivariant.
 *
 * An earlier export in the folder is replaced with all of its files.
 *
 * @returns the files' paths
 * Throws ConfigError when the format has no such encoder or the folder holds anything else, RunError when the disk does not take the files.
 */
export function exportEncoder(loaded: LoadedEncoder, format: ExportFormat, folder: string): string[] {
  const { encoder, adapter, config } = loaded;
  if (format === 'safetensors') {
    const names = [BACKBONE, 'config.json'];
    const stale = staleFiles(folder, names, weightsOf(loaded));
    const tensors = new Map([...prefixed('encoder.', encoder), ...prefixed('adapter.', adapter)]);
    return writeExport(folder, { names, stale }, (unfinished) => writeBackbone(unfinished, tensors, config));
  }
  if (!(encoder instanceof Vit)) {
    throw new ConfigError(
      `export: ${format} must be given a vision transformer, got ${config.model.kind}; use --format safetensors`,
      'model.kind',
    );
  }
  const { names: tensorNames, describe } = LAYOUTS[format];
  const state = encoder.stateDict();
  const texts = describe({ ...shapeSettings(state), numHeads: vitConfig(config.model).numHeads });
  const columns = columnsOf(config);
  const hasAdapter = adapter.proj !== undefined;
  const names = [MODEL, ...(hasAdapter ? [ADAPTER] : []), ...Object.keys(texts)];
  const stale = staleFiles(folder, names, weightsOf(loaded));
  return writeExport(folder, { names, stale }, (unfinished) => {
    const metadata = { format: 'pt', ...(!hasAdapter && columns) };
    const model = toTheirs(formatNamed(tensorNames), state);
    saveSafetensors(join(unfinished, MODEL), model, metadata);
    if (hasAdapter) saveSafetensors(join(unfinished, ADAPTER), adapter.stateDict(), { format: 'pt', ...columns });
    for (const [name, content] of Object.entries(texts)) {
      writeAtomic(join(unfinished, name), `${JSON.stringify(content, undefined, 2)}\n`);
    }
  });
}

/** The file that an export is made of; of a run, whose checkpoint it is made of, the one of the run's own export. */
function weightsOf({ runDir, source }: LoadedEncoder): string {
  return runDir === undefined ? source : join(runDir, 'export', BACKBONE);
}

function prefixed(prefix: string, module: Module): [string, Tensor][] {
  return [...module.stateDict()].map(([name, tensor]) => [prefix + name, tensor]);
}

/** Which features are which: `invariant` and `equivariant` as `from:to`; nothing where they are not split. */
function columnsOf(config: Config): Record<string, string> {
  const { location, equivariantDim, equiFirst } = config.split;
  if (location === 'head_output' || equivariantDim === 0) return {};
  const { featureDim, invariantDim } = splitDims(config);
  const cut = equiFirst ? equivariantDim : invariantDim;
  const [first, second] = [`0:${cut}`, `${cut}:${featureDim}`];
  return equiFirst ? { equivariant: first, invariant: second } : { invariant: first, equivariant: second };
}
