/** What follows from a configuration: the numbers that it does not say and that the run will have. */
import { generator } from '@halfway/torch';
import { imagesPerStep, peakLr } from '../config/peakLr.js';
import { patchPx } from '../config/patchPx.js';
import type { Config } from '../config/schema.js';
import { splitDims } from '../config/splitDims.js';
import type { LoadedWeights } from '../interop/loadWeights.js';
import { createObjective } from '../objectives/create.js';
import type { Objective } from '../objectives/objective.js';
import { accumulationText } from './accumulation.js';
import { headWarmupSteps, warmupSteps } from './schedule.js';
import { startFrom } from './start.js';
import { type StepCost, stepCost } from './stepCost.js';

export interface DerivedValues extends StepCost {
  readonly steps: number;
  readonly warmupSteps: number;
  readonly peakLr: number;
  /** Of a run that starts from weights: steps over which the encoder is held, and its rate at the peak. */
  readonly headWarmupSteps?: number;
  readonly encoderPeakLr?: number;
  readonly imagesPerStep: number;
  readonly imagesSeen: number;
  /** Photos of the data, and what they make of the schedule. */
  readonly numPhotos: number;
  readonly stepsPerEpoch: number;
  readonly epochs: number;
  /** What the batches of a step come to, where it has several. */
  readonly accumulation?: string;
  /** How many views of each size a photo gives, such as `{ "224 px": 2, "96 px": 10 }`. */
  readonly views: Readonly<Record<string, number>>;
  readonly gridPatches: number;
  readonly tokens: number; // class token, registers and patches
  readonly invariantDim: number;
  readonly computeDtype: 'float32' | 'bfloat16';
  /** Parameters in training, by part; encoder and adapter are what is exported. `teacher`'s are not in the total. */
  readonly parameters: Readonly<Record<string, number>>;
  /** Where the weights came from that it starts from, and what became of each. */
  readonly start?: string;
}

/** What a configuration does not say of its run. */
interface Circumstances extends Pick<DerivedValues, 'numPhotos' | 'computeDtype'> {
  /** Those of `init.file`. */
  readonly weights?: LoadedWeights | undefined;
}

/**
 * Builds the network to count its parameters, and thereby checks all its shapes; nothing is run.
 * @throws ConfigError, and DataError for weights that do not fit
 */
export function derivedValues(config: Config, { numPhotos, computeDtype, weights }: Circumstances): DerivedValues {
  const { model, train, init } = config;
  const gridPatches = model.imagePx / patchPx(model);
  const imagesSeen = train.steps * imagesPerStep(config);
  return {
    steps: train.steps,
    warmupSteps: warmupSteps(config),
    peakLr: peakLr(config),
    ...(init.file !== undefined && {
      headWarmupSteps: headWarmupSteps(config),
      encoderPeakLr: init.lrMult * peakLr(config),
    }),
    imagesPerStep: imagesPerStep(config),
    imagesSeen,
    numPhotos,
    stepsPerEpoch: numPhotos / imagesPerStep(config), // an epoch may end within a batch (data/order.ts)
    epochs: imagesSeen / numPhotos,
    gridPatches,
    tokens: gridPatches ** 2 + 1 + (model.kind === 'vit' ? model.numRegisters : 0),
    invariantDim: splitDims(config).invariantDim,
    computeDtype,
    ...ofObjective(config, computeDtype, weights),
  };
}

type OfObjective = StepCost & Pick<DerivedValues, 'views' | 'parameters' | 'start' | 'accumulation'>;

function ofObjective(
  config: Config,
  computeDtype: DerivedValues['computeDtype'],
  weights: LoadedWeights | undefined,
): OfObjective {
  const rng = generator(config.train.seed);
  const objective = createObjective(config, rng);
  rng.dispose();
  const start = weights && startFrom(objective, weights, config.model);
  const accumulation = accumulationText(config, objective);
  const values = {
    views: countViews(objective),
    parameters: countParameters(objective),
    ...stepCost(config, objective, computeDtype),
    ...(start !== undefined && { start }),
    ...(accumulation !== undefined && { accumulation }),
  };
  for (const network of [objective.network, objective.teacher?.network]) {
    for (const tensor of network?.stateDict().values() ?? []) tensor.dispose();
  }
  return values;
}

function countViews({ views }: Objective): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { sizePx } of views) counts[`${sizePx} px`] = (counts[`${sizePx} px`] ?? 0) + 1;
  return counts;
}

function countParameters({ network, teacher }: Objective): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [name, parameter] of network.namedParameters()) {
    const [part = name] = name.split('.');
    counts[part] = (counts[part] ?? 0) + parameter.numel;
  }
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return { ...counts, total, ...(teacher && { teacher: teacher.network.numParameters() }) };
}
