/** One training step, top to bottom: no callbacks, no flags, no read from the device. */
import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { allFinite, clipGradNorm, updateEma } from '@halfway/torch/optim';
import type { DeviceBatch } from '../data/batch.js';
import type { ObjectiveState, StepParams } from '../objectives/objective.js';
import type { TrainState } from './state.js';

/** Tensors of a finished step, detached; they belong to the caller's scope. */
export interface StepOutput {
  /** Scalars f32 []: `loss`, every term as it was summed (unweighted), figures, `gradNorm`, `finite` (1 or 0). */
  readonly scalars: Readonly<Record<string, Tensor>>;
  readonly objectiveState: ObjectiveState;
  /** The first view's invariant features, mean over patches, for the health figures: f32 [B, D_inv]. */
  readonly pooled: Tensor;
}

/**
 * Forward, weighted sum, backward, clip, update, and the teacher moves towards the new weights. A step whose loss, gradient norm or
 * next objective state is not finite changes nothing: parameters, optimizer and objective state stay as they were, decided on the
 * device (a teacher still moves towards the weights as they were).
 */
export function trainStep(state: TrainState, batch: DeviceBatch, params: StepParams): StepOutput {
  return torch.scope(() => {
    const { objective, optimizer, followed, context } = state;
    const {
      terms,
      figures,
      state: proposed,
      features,
    } = objective.forward(batch, params, state.objectiveState, context);
    const loss = weightedSum(terms, params.weights);
    loss.backward();
    context.tape?.backward();
    const gradNorm = clipGradients(state.clipped, params.clipNorm > 0 ? params.clipNorm : Infinity);
    const finite = allFinite([loss.detach(), gradNorm, ...Object.values(proposed)]);
    if (params.dropsLastLayerGradient) for (const parameter of state.lastLayers) parameter.grad = undefined;
    optimizer.step({ lr: ratesOf(state, params), weightDecayScale: params.weightDecay }, finite.neg().add(1));
    optimizer.zeroGrad();
    if (followed !== undefined) updateEma(followed.averaged, followed.source, params.teacherMomentum);
    const scalars = { loss, ...terms, ...figures, gradNorm, finite };
    const pooled = features[0]?.invariant.patches.detach().mean([1], false, { dtype: 'float32' });
    if (pooled === undefined) throw new Error('internal: train: the objective returned no features');
    return {
      scalars: mapTensors(scalars, (scalar) => scalar.detach()),
      objectiveState: mapTensors(proposed, (next, name) => selectFinite(finite, next, state.objectiveState[name])),
      pooled,
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

function selectFinite(finite: Tensor, next: Tensor, previous: Tensor | undefined): Tensor {
  return previous === undefined ? next.detach() : torch.where(finite.gt(0), next.detach(), previous);
}

function mapTensors(
  tensors: Readonly<Record<string, Tensor>>,
  change: (tensor: Tensor, name: string) => Tensor,
): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, change(tensor, name)]));
}
