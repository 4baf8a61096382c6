/**
 * The MLP head of R2: 2D -> W -> W -> P with ReLU, trained with Adam on frozen features, early stopping on the
 * validation part. Several weight decays are trained side by side as one batched network.
 *
 * G members of the grid, b samples of a batch, F = 2D features of a row, W hidden width, P parameters.
 * Source: SIE's evaluation scripts (`--deep-end`; Adam, learning rate 1e-3, batch 256); early stopping is ours.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { generator, keep, noGrad, rand, randperm, scope, zeros, type Generator, type Tensor } from '@halfway/torch';
import { AdamW } from '@halfway/torch/optim';
import { forEachChunk, inputDim, sampleRows, type PairSet } from './pairSet.js';
import type { HeadPrediction } from './ridgeHead.js';

/** Learning rate and batch of SIE's evaluation scripts. */
const LEARNING_RATE = 1e-3;
const BATCH_SAMPLES = 256;

/** Decoupled weight decays tried, per unit of learning rate. */
export const WEIGHT_DECAYS: readonly number[] = [0.01, 1];

/** Epochs without a better validation error after which training ends. */
const PATIENCE_EPOCHS = 5;

/** Seed of initial weights and batches: one for every encoder, parameter and border. */
const HEAD_SEED = 1;

export interface MlpOptions {
  readonly widthDim: number; // W
  readonly maxEpochs: number;
  readonly weightDecays?: readonly number[];
  /** Called after each epoch. */
  readonly onEpoch?: (epoch: number) => void;
}

/** Weights and biases of the batched network: [G, F, W], [G, 1, W], [G, W, W], [G, 1, W], [G, W, P], [G, 1, P]. */
type MlpParameters = readonly Tensor[];

/** Trains on `fit`, chooses weight decay and epoch by the error on `validation`, predicts `test` once. */
export async function mlpHead(
  fit: PairSet,
  validation: PairSet,
  test: PairSet,
  options: MlpOptions,
): Promise<HeadPrediction> {
  const decays = options.weightDecays ?? WEIGHT_DECAYS;
  const rng = generator(HEAD_SEED);
  const parameters = initialParameters(inputDim(fit, 'pair'), options.widthDim, fit.target.shape[1] ?? 0, decays, rng);
  const best = parameters.map((parameter) => scope(() => keep(parameter.detach().clone())));
  const optimizer = new AdamW([{ name: 'head', parameters: [...parameters], weightDecay: 0 }]);
  const decayRates = keep(scope(() => decayTensor(decays))); // [G, 1, 1]
  try {
    const chosen = decays.map(() => ({ error: Infinity, epoch: 0 }));
    for (let epoch = 1; epoch <= options.maxEpochs; epoch++) {
      trainEpoch(fit, parameters, optimizer, decayRates, rng);
      validationErrors(validation, parameters).forEach((error, member) => {
        const sofar = chosen[member];
        if (sofar === undefined || !(error < sofar.error)) return;
        chosen[member] = { error, epoch };
        copyMember(best, parameters, member);
      });
      options.onEpoch?.(epoch);
      await nextTurn();
      if (chosen.every((member) => epoch - member.epoch >= PATIENCE_EPOCHS)) break;
    }
    const member = indexOfSmallest(chosen.map(({ error }) => error));
    return {
      prediction: predictMember(test, best, member),
      chosen: `weight decay ${decays[member] ?? 0}, epoch ${chosen[member]?.epoch ?? 0} of at most ${options.maxEpochs}`,
    };
  } finally {
    for (const tensor of [...parameters, ...best, decayRates, ...optimizer.stateTensors().values()]) tensor.dispose();
    rng.dispose();
  }
}

/** PyTorch's Linear initialisation, U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases; every member starts equal. */
function initialParameters(
  inDim: number,
  widthDim: number,
  outDim: number,
  decays: readonly number[],
  rng: Generator,
): MlpParameters {
  const layers: readonly (readonly [number, number])[] = [
    [inDim, widthDim],
    [widthDim, widthDim],
    [widthDim, outDim],
  ];
  return layers.flatMap(([fanIn, fanOut]) =>
    [fanIn, 1].map((rows) =>
      scope(() => {
        const bound = 1 / Math.sqrt(fanIn);
        const one = rand([1, rows, fanOut], { generator: rng })
          .mul(2 * bound)
          .sub(bound);
        return keep(one.expand([decays.length, -1, -1]).contiguous()).requiresGrad_();
      }),
    ),
  );
}

/** One epoch of Adam over the samples of `fit` in a random order. */
function trainEpoch(
  fit: PairSet,
  parameters: MlpParameters,
  optimizer: AdamW,
  decayRates: Tensor,
  rng: Generator,
): void {
  const numSamples = fit.target.shape[0] ?? 0;
  scope(() => {
    const order = randperm(numSamples, { generator: rng });
    for (let first = 0; first < numSamples; first += BATCH_SAMPLES) {
      scope(() => {
        const samples = order.narrow(0, first, Math.min(BATCH_SAMPLES, numSamples - first)); // [b]
        const output = forward(sampleRows(fit, samples), parameters); // [G, b, P]
        // The members share no weight, so the sum of their mean errors trains each as if it were alone.
        const error = output.sub(fit.target.indexSelect(0, samples)).square().mean([1, 2]).sum();
        error.backward();
        noGrad(() => {
          // Decoupled decay by member, before the step as in AdamW; biases have none.
          for (let layer = 0; layer < parameters.length; layer += 2) parameters[layer]?.mul_(decayRates);
        });
        optimizer.step({ lr: LEARNING_RATE });
        optimizer.zeroGrad();
      });
    }
  });
}

/** Rows [b, F] to outputs [G, b, P]. */
function forward(rows: Tensor, parameters: MlpParameters): Tensor {
  let hidden = rows;
  for (let layer = 0; layer < parameters.length; layer += 2) {
    const weight = parameters[layer];
    const bias = parameters[layer + 1];
    if (weight === undefined || bias === undefined) throw new RangeError('internal: mlpHead: a layer is incomplete');
    hidden = hidden.matmul(weight).add(bias);
    if (layer + 2 < parameters.length) hidden = hidden.relu();
  }
  return hidden;
}

/** 1 - lr * decay of each member, [G, 1, 1]. */
function decayTensor(decays: readonly number[]): Tensor {
  const rates = zeros([decays.length, 1, 1]);
  decays.forEach((decay, member) => rates.narrow(0, member, 1).fill_(1 - LEARNING_RATE * decay));
  return rates;
}

/** Squared error of each member over the whole part. */
function validationErrors(set: PairSet, parameters: MlpParameters): number[] {
  const errors = new Array<number>(parameters[0]?.shape[0] ?? 0).fill(0);
  forEachChunk(set, 'pair', (rows, target) => {
    const sums = forward(rows, parameters).sub(target).square().sum([1, 2]).toTypedArray();
    errors.forEach((error, member) => (errors[member] = error + Number(sums[member] ?? 0)));
  });
  return errors;
}

function predictMember(set: PairSet, parameters: MlpParameters, member: number): Float32Array {
  const numTargets = set.target.shape[1] ?? 0;
  const prediction = new Float32Array((set.target.shape[0] ?? 0) * numTargets);
  let at = 0;
  forEachChunk(set, 'pair', (rows) => {
    const values = forward(rows, parameters).select(0, member).toTypedArray() as Float32Array; // [b * A, P]
    prediction.set(values, at);
    at += values.length;
  });
  return prediction;
}

/** Copies one member's weights. */
function copyMember(to: MlpParameters, from: MlpParameters, member: number): void {
  scope(() =>
    noGrad(() => {
      to.forEach((tensor, i) => {
        const source = from[i];
        if (source !== undefined) tensor.narrow(0, member, 1).copy_(source.narrow(0, member, 1));
      });
    }),
  );
}

function indexOfSmallest(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value < (values[best] ?? Infinity) ? i : best), 0);
}
