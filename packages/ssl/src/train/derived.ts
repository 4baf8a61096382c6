/** What follows from a configuration: the numbers that it does not say and that the run will have. */
import { generator } from '@halfway/torch';
import { patchPx } from '../config/patchPx.js';
import type { Config } from '../config/schema.js';
import { createObjective } from '../objectives/create.js';
import { peakLr, warmupSteps } from './schedule.js';

export interface DerivedValues {
  readonly steps: number;
  readonly warmupSteps: number;
  readonly peakLr: number;
  readonly imagesSeen: number;
  readonly gridPatches: number;
  readonly tokens: number; // class token, registers and patches
  readonly invariantDim: number;
  /** Parameters in training, by part; encoder and adapter are what is exported. */
  readonly parameters: Readonly<Record<string, number>>;
}

/**
 * Builds the network to count its parameters, and thereby checks all its shapes.
 * @throws ConfigError
 */
export function derivedValues(config: Config): DerivedValues {
  const { model, split, train } = config;
  const gridPatches = model.imagePx / patchPx(model);
  return {
    steps: train.steps,
    warmupSteps: warmupSteps(config),
    peakLr: peakLr(config),
    imagesSeen: train.steps * train.batch,
    gridPatches,
    tokens: gridPatches ** 2 + 1 + (model.kind === 'vit' ? model.numRegisters : 0),
    invariantDim: split.dim - split.equivariantDim,
    parameters: countParameters(config),
  };
}

function countParameters(config: Config): Record<string, number> {
  const rng = generator(config.train.seed);
  const { network } = createObjective(config, rng);
  rng.dispose();
  const counts: Record<string, number> = {};
  for (const [name, parameter] of network.namedParameters()) {
    const [part = name] = name.split('.');
    counts[part] = (counts[part] ?? 0) + parameter.numel;
  }
  for (const tensor of network.stateDict().values()) tensor.dispose();
  return { ...counts, total: Object.values(counts).reduce((sum, count) => sum + count, 0) };
}
