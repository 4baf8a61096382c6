/**
 * One training step, top to bottom: the backward pass of each of its batches, then the update. No callbacks, no flags, no read from the
 * device.
 */
import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { allFinite, clipGradNorm, updateEma } from '@halfway/torch/optim';
import type { DeviceBatch } from '../data/batch.js';
import type { ObjectiveState } from '../objectives/objective.js';
import { entryOf } from '../pairs.js';
import type { TrainState } from './state.js';
import type { StepParams } from './schedule.js';

/** Tensors that a batch comes to, detached; they belong to the caller's scope. */
export interface BatchOutput {
  /** Scalars f32 []: `loss`, every term as it was summed (unweighted), figures. */
  readonly scalars: Readonly<Record<string, Tensor>>;
  /** The next state, as this batch alone would have it. */
  readonly objectiveState: ObjectiveState;
  /** The first view's invariant features, mean over patches, for the health figures: f32 [B, D_inv]. */
  readonly pooled: Tensor;
}

/** Tensors of a finished step, detached; they belong to the caller's scope. */
export interface StepOutput {
  /** Means over the step's batches of their scalars, `gradNorm`, `finite` (1 or 0). */
  readonly scalars: Readonly<Record<string, Tensor>>;
  readonly objectiveState: ObjectiveState;
}

/** A step of one batch, all of it at once, as tests and benchmarks make it; the loop waits for the next batch between the parts. */
export function trainStep(state: TrainState, batch: DeviceBatch, params: StepParams): BatchOutput & StepOutput {
  return torch.scope(() => {
    const output = backward(state, batch, params);
    return { ...output, ...update(state, [output], params) };
  });
}

/**
 * Forward, weighted sum, backward. The gradients of the `params.numBatches` batches of a step add up in the parameters to their mean; all
 * see the objective state that the step before left.
 */
export function backward(state: TrainState, batch: DeviceBatch, params: StepParams): BatchOutput {
  return torch.scope(() => {
    const { objective, objectiveState, context } = state;
    const { terms, figures, state: proposed, features } = objective.forward(batch, params, objectiveState, context);
    const loss = weightedSum(terms, params.weights);
    loss.div(params.numBatches).backward();
    context.tape?.backward();
    const pooled = features[0]?.invariant.patches.detach().mean([1], false, { dtype: 'float32' });
    if (pooled === undefined) throw new Error('internal: train: the objective returned no features');
    const scalars = { loss, ...terms, ...figures };
    return { scalars: mapTensors(scalars, detached), objectiveState: mapTensors(proposed, detached), pooled };
  });
}

/**
 * Clip, update, and the teacher moves towards the new weights; the next objective state is the mean of what the batches would have. A
 * step whose loss, gradient norm or next objective state is not finite changes nothing: parameters, optimizer and objective state stay as
 * they were, decided on the device (a teacher still moves towards the weights as they were).
 */
export function update(state: TrainState, batches: readonly BatchOutput[], params: StepParams): StepOutput {
  return torch.scope(() => {
    const { optimizer, followed } = state;
    const means = meanOf(batches.map(({ scalars }) => scalars));
    const proposed = meanOf(batches.map(({ objectiveState }) => objectiveState));
    const gradNorm = clipGradients(state.clipped, params.clipNorm > 0 ? params.clipNorm : Infinity);
    const finite = allFinite([entryOf(means, 'loss'), gradNorm, ...Object.values(proposed)]);
    if (params.dropsLastLayerGradient) for (const parameter of state.lastLayers) parameter.grad = undefined;
    optimizer.step({ lr: ratesOf(state, params), weightDecayScale: params.weightDecay }, finite.neg().add(1));
    optimizer.zeroGrad();
    if (followed !== undefined) updateEma(followed.averaged, followed.source, params.teacherMomentum);
    return {
      scalars: { ...means, gradNorm: gradNorm.detach(), finite: finite.detach() },
      objectiveState: mapTensors(proposed, (next, name) => selectFinite(finite, next, state.objectiveState[name])),
    };
  });
}

/** Clips each list of parameters by its own norm; returns the norm over all before, f32 []. */
function clipGradients(lists: TrainState['clipped'], maxNorm: number): Tensor {
  return torch.stack(lists.map((parameters) => clipGradNorm(parameters, maxNorm))).linalgVectorNorm();
}

/** The learning rate of each group of the optimizer. */
function ratesOf({ groups }: TrainState, params: StepParams): Record<string, number> {
  return Object.fromEntries(groups.map(({ name, rate }) => [name, params[rate]]));
}

/** sum over terms of weight * term, f32 []. */
function weightedSum(terms: Readonly<Record<string, Tensor>>, weights: Readonly<Record<string, number>>): Tensor {
  const weighted = Object.entries(terms).map(([name, term]) => {
    const weight = weights[name];
    if (weight === undefined) throw new Error(`internal: train: the objective gave no weight for its term ${name}`);
    return term.mul(weight);
  });
  return weighted.reduce((sum, term) => sum.add(term));
}

/** Mean over the records of the tensors of each name. */
function meanOf(records: readonly Readonly<Record<string, Tensor>>[]): Record<string, Tensor> {
  const [first = {}, ...others] = records;
  return mapTensors(first, (tensor, name) =>
    others.reduce((sum, record) => sum.add(entryOf(record, name)), tensor).div(records.length),
  );
}

function selectFinite(finite: Tensor, next: Tensor, previous: Tensor | undefined): Tensor {
  return previous === undefined ? next : torch.where(finite.gt(0), next, previous);
}

function detached(tensor: Tensor): Tensor {
  return tensor.detach();
}

function mapTensors(
  tensors: Readonly<Record<string, Tensor>>,
  change: (tensor: Tensor, name: string) => Tensor,
): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, change(tensor, name)]));
}
