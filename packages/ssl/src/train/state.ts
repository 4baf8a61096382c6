/** What a training run carries from step to step. */
import * as torch from '@halfway/torch';
import type { Generator, Tensor } from '@halfway/torch';
import type { Parameter, TrainingContext } from '@halfway/torch/nn';
import { AdamW, type ParameterGroup } from '@halfway/torch/optim';
import type { Config } from '../config/schema.js';
import { createObjective } from '../objectives/create.js';
import type { Objective, ObjectiveState } from '../objectives/objective.js';
import type { Checkpoint } from '../run/checkpoint.js';

const OBJECTIVE_PREFIX = 'objective.';

export interface TrainState {
  readonly objective: Objective;
  readonly parameters: readonly Parameter[];
  readonly optimizer: AdamW;
  readonly context: TrainingContext;
  /** Detached and in no scope; replaced by every step. */
  objectiveState: ObjectiveState;
}

/**
 * The state before the first step: every weight follows from `train.seed`.
 * @param given an objective of the caller's own, instead of the configuration's
 */
export function createTrainState(
  config: Config,
  computeDtype: TrainingContext['computeDtype'],
  given?: Objective,
): TrainState {
  const rng = torch.generator(config.train.seed);
  const objective = given ?? createObjective(config, rng);
  return {
    objective,
    parameters: objective.network.parameters(),
    optimizer: new AdamW(parameterGroups(objective, config), { betas: config.optim.betas }),
    context: { train: true, rng, computeDtype },
    objectiveState: objective.initialState(),
  };
}

/**
 * Four groups: with and without weight decay, each for the decoders (their own learning rate) and for the rest. Biases,
 * norms, tokens and positions have no decay. Source: DINO utils.py, get_params_groups; tokens and positions as in timm.
 */
function parameterGroups({ network }: Objective, { optim, decoder }: Config): ParameterGroup[] {
  const isDecoder = (name: string): boolean => name.startsWith('decoders.');
  const isDecayed = (name: string, { rank }: Tensor): boolean =>
    rank > 1 && !/(cls_token|pos_embed|register_tokens)$/.test(name);
  const named = network.namedParameters();
  return [false, true].flatMap((ofDecoders) =>
    [true, false].map((decayed): ParameterGroup => ({
      name: `${ofDecoders ? 'decoders' : 'network'}.${decayed ? 'decay' : 'plain'}`,
      parameters: named
        .filter(([name, parameter]) => isDecoder(name) === ofDecoders && isDecayed(name, parameter) === decayed)
        .map(([, parameter]) => parameter),
      weightDecay: decayed ? optim.weightDecay : 0,
      lrScale: ofDecoders ? decoder.lrMult : 1,
    })),
  );
}

/** The state as a checkpoint has it: the tensors themselves. */
export function checkpointTensors(state: TrainState): Pick<Checkpoint, 'model' | 'optimizer' | 'rngState'> {
  const carried = Object.entries(state.objectiveState).map(
    ([name, tensor]) => [OBJECTIVE_PREFIX + name, tensor] as const,
  );
  return {
    model: state.objective.network.stateDict(),
    optimizer: new Map([...state.optimizer.stateTensors(), ...carried]),
    rngState: generatorOf(state).getState(),
  };
}

/** Sets the state to that of a checkpoint, whose tensors are disposed. */
export function restoreTrainState(state: TrainState, { model, optimizer, rngState }: Checkpoint): void {
  const isCarried = ([name]: [string, Tensor]): boolean => name.startsWith(OBJECTIVE_PREFIX);
  state.objective.network.loadStateDict(model);
  state.optimizer.loadStateTensors(new Map([...optimizer].filter((entry) => !isCarried(entry))));
  state.objectiveState = Object.fromEntries(
    [...optimizer].filter(isCarried).map(([name, tensor]) => [name.slice(OBJECTIVE_PREFIX.length), tensor]),
  );
  generatorOf(state).setState(rngState);
  const carried = new Set(Object.values(state.objectiveState));
  for (const tensor of [...model.values(), ...optimizer.values()]) if (!carried.has(tensor)) tensor.dispose();
}

function generatorOf({ context }: TrainState): Generator {
  return context.rng;
}
