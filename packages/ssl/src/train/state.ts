/** What a training run carries from step to step. */
import * as torch from '@halfway/torch';
import type { Device, Generator, Tensor } from '@halfway/torch';
import { Module } from '@halfway/torch/nn';
import type { Parameter, TrainingContext } from '@halfway/torch/nn';
import { Adam, AdamW, LARS, SGD, type Optimizer, type ParameterGroup } from '@halfway/torch/optim';
import type { Config } from '../config/schema.js';
import { CheckpointTape, type EncoderContext } from '../models/checkpointTape.js';
import { createObjective } from '../objectives/create.js';
import type { Objective, ObjectiveState } from '../objectives/objective.js';
import type { Checkpoint } from '../run/checkpoint.js';
import { clippedTogether, isLastLayer, parameterGroups, type TrainedGroup } from './parameterGroups.js';

const OBJECTIVE_PREFIX = 'objective.';

/** Parameters of the teacher, and those of the network that they follow, in the same order. */
interface Followed {
  readonly averaged: readonly Parameter[];
  readonly source: readonly Parameter[];
}

/** Everything that a checkpoint keeps of an objective: the network by its own names, and the teacher under `teacher.`. */
class Model extends Module {
  readonly teacher: Module | undefined;

  constructor({ network, teacher }: Objective) {
    super();
    Object.assign(this, network);
    this.teacher = teacher?.network;
  }
}

export interface TrainState {
  /** Where everything below is. */
  readonly device: Device;
  readonly objective: Objective;
  readonly model: Module;
  /** Lists of parameters whose gradients are clipped by their common norm. */
  readonly clipped: readonly (readonly Parameter[])[];
  readonly lastLayers: readonly Parameter[];
  readonly followed: Followed | undefined;
  readonly optimizer: Optimizer;
  readonly groups: readonly TrainedGroup[];
  readonly context: TrainingContext & EncoderContext;
  /** Detached and in no scope; replaced by every step. */
  objectiveState: ObjectiveState;
}

/**
 * The state before the first step, on `train.device`: every weight follows from `train.seed`, whatever the device.
 * @param given an objective of the caller's own, instead of the configuration's
 */
export function createTrainState(
  config: Config,
  computeDtype: TrainingContext['computeDtype'],
  given?: Objective,
): TrainState {
  const { seed, device } = config.train;
  const rng = torch.generator(seed);
  const objective = given ?? createObjective(config, rng);
  const { network, teacher } = objective;
  network.to(device);
  teacher?.network.to(device);
  const groups = parameterGroups(network, config);
  return {
    device,
    objective,
    model: new Model(objective),
    clipped: clippedTogether(network, config.optim.clipOver),
    lastLayers: network.namedParameters().flatMap(([name, parameter]) => (isLastLayer(name) ? [parameter] : [])),
    followed: teacher && followed(network, teacher.network),
    optimizer: createOptimizer(groups, config),
    groups,
    context: {
      train: true,
      rng: device === 'cpu' ? rng : torch.generator(seed, device),
      computeDtype,
      ...(config.train.checkpointActivations && { tape: new CheckpointTape() }),
    },
    objectiveState: onDevice(objective.initialState(), device),
  };
}

/** The update rule that the configuration names. */
function createOptimizer(groups: readonly ParameterGroup[], { optim }: Config): Optimizer {
  const { algorithm, betas, momentum } = optim;
  switch (algorithm) {
    case 'adamw':
      return new AdamW(groups, { betas });
    case 'adam':
      return new Adam(groups, { betas });
    case 'lars':
      return new LARS(groups, { momentum });
    case 'sgd':
      return new SGD(groups, { momentum });
    default:
      return algorithm satisfies never;
  }
}

/** The teacher's parameters and those they follow. */
function followed(network: Module, teacher: Module): Followed {
  const source = new Map(network.namedParameters());
  const pairs = teacher.namedParameters().map(([name, parameter]) => {
    const own = source.get(name);
    if (own === undefined) throw new Error(`internal: train: the teacher's ${name} follows nothing`);
    return [parameter, own] as const;
  });
  return { averaged: pairs.map(([parameter]) => parameter), source: pairs.map(([, own]) => own) };
}

/** The state as a checkpoint has it: the tensors themselves. */
export function checkpointTensors(state: TrainState): Pick<Checkpoint, 'model' | 'optimizer' | 'rngState'> {
  const carried = Object.entries(state.objectiveState).map(
    ([name, tensor]) => [OBJECTIVE_PREFIX + name, tensor] as const,
  );
  return {
    model: state.model.stateDict(),
    optimizer: new Map([...state.optimizer.stateTensors(), ...carried]),
    rngState: generatorOf(state).getState(),
  };
}

/** Sets the state to that of a checkpoint, whose tensors are disposed. */
export function restoreTrainState(state: TrainState, { model, optimizer, rngState }: Checkpoint): void {
  const isCarried = ([name]: [string, Tensor]): boolean => name.startsWith(OBJECTIVE_PREFIX);
  state.model.loadStateDict(model);
  state.optimizer.loadStateTensors(new Map([...optimizer].filter((entry) => !isCarried(entry))));
  const carried = [...optimizer]
    .filter(isCarried)
    .map(([name, tensor]) => [name.slice(OBJECTIVE_PREFIX.length), tensor]);
  for (const tensor of Object.values(state.objectiveState)) tensor.dispose();
  state.objectiveState = onDevice(Object.fromEntries(carried) as ObjectiveState, state.device);
  generatorOf(state).setState(rngState);
  for (const tensor of [...model.values(), ...optimizer.values()]) tensor.dispose();
}

/** The state of an objective on the device, in no scope: tensors of their own. */
function onDevice(state: ObjectiveState, device: Device): ObjectiveState {
  return torch.scope(() =>
    Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, torch.keep(tensor.to(device))])),
  );
}

function generatorOf({ context }: TrainState): Generator {
  return context.rng;
}
