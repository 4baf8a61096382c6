/** What follows from a configuration: the numbers that it does not say and that the run will have. */
import { generator } from '@halfway/torch';
import { invariantDim } from '../config/invariantDim.js';
import { patchPx } from '../config/patchPx.js';
import type { Config } from '../config/schema.js';
import type { LoadedWeights } from '../interop/loadWeights.js';
import { createObjective } from '../objectives/create.js';
import { accumulationText } from './accumulation.js';
import { headWarmupSteps, imagesPerStep, peakLr, warmupSteps } from './schedule.js';
import { startFrom } from './start.js';

export interface DerivedValues {
  readonly steps: number;
  readonly warmupSteps: number;
  readonly peakLr: number;
  /** Of a run that starts from weights: steps over which the encoder is held, and its rate at the peak. */
  readonly headWarmupSteps?: number;
  readonly encoderPeakLr?: number;
  readonly imagesPerStep: number;
  readonly imagesSeen: number;
  /** What the batches of a step come to, where it has several. */
  readonly accumulation?: string;
  readonly gridPatches: number;
  readonly tokens: number; // class token, registers and patches
  readonly invariantDim: number;
  /** Parameters in training, by part; encoder and adapter are what is exported. */
  readonly parameters: Readonly<Record<string, number>>;
  /** Where the weights came from that it starts from, and what became of each. */
  readonly start?: string;
}

/**
 * Builds the network to count its parameters, and thereby checks all its shapes.
 * @param weights of `init.file`
 * @throws ConfigError, and DataError for weights that do not fit
 */
export function derivedValues(config: Config, weights?: LoadedWeights): DerivedValues {
  const { model, split, train, init } = config;
  const gridPatches = model.imagePx / patchPx(model);
  return {
    steps: train.steps,
    warmupSteps: warmupSteps(config),
    peakLr: peakLr(config),
    ...(init.file !== undefined && {
      headWarmupSteps: headWarmupSteps(config),
      encoderPeakLr: init.lrMult * peakLr(config),
    }),
    imagesPerStep: imagesPerStep(config),
    imagesSeen: train.steps * imagesPerStep(config),
    gridPatches,
    tokens: gridPatches ** 2 + 1 + (model.kind === 'vit' ? model.numRegisters : 0),
    invariantDim: invariantDim(split),
    ...ofNetwork(config, weights),
  };
}

type OfNetwork = Pick<DerivedValues, 'parameters' | 'start' | 'accumulation'>;

function ofNetwork(config: Config, weights: LoadedWeights | undefined): OfNetwork {
  const rng = generator(config.train.seed);
  const objective = createObjective(config, rng);
  const { network } = objective;
  rng.dispose();
  const start = weights && startFrom(objective, weights, config.model);
  const accumulation = accumulationText(config, objective);
  const counts: Record<string, number> = {};
  for (const [name, parameter] of network.namedParameters()) {
    const [part = name] = name.split('.');
    counts[part] = (counts[part] ?? 0) + parameter.numel;
  }
  for (const tensor of network.stateDict().values()) tensor.dispose();
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return {
    parameters: { ...counts, total },
    ...(start !== undefined && { start }),
    ...(accumulation !== undefined && { accumulation }),
  };
}
