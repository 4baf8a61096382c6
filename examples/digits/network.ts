// A small convolutional network for grey images of 28 x 28 pixels, and how it is trained and tested.

import * as torch from '@halfway/torch';
import {
  Conv2d,
  type ForwardContext,
  Linear,
  Module,
  Sequential,
  crossEntropy,
  maxPool2d,
  relu,
} from '@halfway/torch/nn';
import { type Optimizer, cosineSchedule } from '@halfway/torch/optim';
import { type LabelledImages, select } from './idx.js';

/** Height and width of an image. */
export const IMAGE_PX = 28;
/** What there is to read: 0 to 9. */
export const NUM_DIGITS = 10;
const FEATURES = 64;

/** Two convolutions and a hidden layer, which may be taken from another training (`features`), and the classes (`head`). */
export class DigitNet extends Module {
  readonly features: Sequential;
  readonly head: Linear;

  constructor(numClasses: number, rng: torch.Generator) {
    super();
    const half = (x: torch.Tensor): torch.Tensor => maxPool2d(x, { kernel: 2 });
    this.features = new Sequential(
      new Conv2d(1, 16, { kernel: 3, padding: 1 }, rng),
      relu,
      half,
      new Conv2d(16, 32, { kernel: 3, padding: 1 }, rng),
      relu,
      half,
      (x) => x.flatten(1),
      new Linear(32 * 7 * 7, FEATURES, rng),
      relu,
    );
    this.head = new Linear(FEATURES, numClasses, rng);
  }

  /** uint8 [B, 28, 28], white on black, to logits [B, classes]. */
  forward(images: torch.Tensor, ctx: ForwardContext): torch.Tensor {
    const pixels = images.to('float32').div(255).unsqueeze(1); // [B, 1, 28, 28]
    return this.head.forward(this.features.forward(pixels, ctx), ctx);
  }
}

/** How long to train, and how fast. */
export interface TrainingOptions {
  readonly numEpochs: number;
  readonly batchSize?: number; // 64
  readonly lr?: number; // the highest; it falls to zero along a cosine
  /** Called after each epoch with its mean loss. */
  readonly onEpoch?: (loss: number) => void;
}

/** Trains what the optimizer holds, in a new random order every epoch; returns the mean loss of each epoch. */
export function train(
  net: DigitNet,
  optimizer: Optimizer,
  data: LabelledImages,
  rng: torch.Generator,
  { numEpochs, batchSize = 64, lr = 2e-3, onEpoch }: TrainingOptions,
): number[] {
  const ctx: ForwardContext = { train: true, rng, computeDtype: 'float32' };
  const numImages = data.labels.numel;
  const totalSteps = numEpochs * Math.ceil(numImages / batchSize);
  let step = 0;
  const losses: number[] = [];
  for (let epoch = 0; epoch < numEpochs; epoch++) {
    let lossSum = 0;
    torch.scope(() => {
      for (const batch of torch.randperm(numImages, { generator: rng }).split(batchSize)) {
        torch.scope(() => {
          const { images, labels } = select(data, batch);
          const loss = crossEntropy(net.forward(images, ctx), labels);
          loss.backward();
          optimizer.step({ lr: cosineSchedule(step++, { base: lr, totalSteps }) });
          optimizer.zeroGrad();
          lossSum += loss.item() * batch.numel;
        });
      }
    });
    losses.push(lossSum / numImages);
    onEpoch?.(lossSum / numImages);
  }
  return losses;
}

/** Share of images whose largest logit is the right one. */
export function accuracy(net: DigitNet, { images, labels }: LabelledImages): number {
  return torch.scope(() =>
    torch.noGrad(() => {
      const ctx: ForwardContext = { train: false, computeDtype: 'float32' };
      const guesses = images.split(500).map((batch) => torch.scope(() => net.forward(batch, ctx).argmax(1)));
      return torch.cat(guesses).eq(labels).to('float32').mean().item();
    }),
  );
}
