// Fine-tunes the network of classify.ts for other labels, of which there are few, and compares it with the same network from nothing:
// whether a digit is written with a hole in it (0, 6, 8 and 9 are).
//
//   node examples/dist/digits/fineTune.js --images train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz
//     [--weights digits.safetensors] [--held-out 2000] [--per-class 50] [--epochs 20] [--out holes.safetensors]
//
// It works on the last images only (--held-out, which is classify's --test), so that the weights of the file have not seen them.

import { parseArgs } from 'node:util';
import * as torch from '@halfway/torch';
import { loadSafetensors, saveSafetensors } from '@halfway/torch/io';
import { AdamW } from '@halfway/torch/optim';
import { type LabelledImages, readLabelledImages, select } from './idx.js';
import { DigitNet, type TrainingOptions, accuracy, train } from './network.js';

const HAS_HOLE = [true, false, false, false, false, false, true, false, true, true]; // by digit

/** What to start from, how many labels there are, and how long to train. */
export interface FineTuneOptions extends Omit<TrainingOptions, 'lr'> {
  /** The safetensors file that the features come from; undefined: from nothing. */
  readonly weights: string | undefined;
  /** Labelled images of each class to learn from; all others are for testing. */
  readonly numPerClass: number;
}

/** A network for two classes, the mean loss of each epoch, and the share of test images that it reads right. */
export interface FineTuned {
  readonly net: DigitNet;
  readonly losses: readonly number[];
  readonly accuracy: number;
}

/** Trains the head, which is new, and the features of the file at a tenth of its rate; from nothing, all at one rate. */
export function fineTune(digits: LabelledImages, { weights, numPerClass, ...training }: FineTuneOptions): FineTuned {
  const data = { images: digits.images, labels: torch.tensor(HAS_HOLE).at(digits.labels).to('int64') };
  const isFew = isAmongFirst(data.labels, numPerClass);

  const rng = torch.generator(0);
  const net = new DigitNet(2, rng);
  if (weights !== undefined) loadFeatures(net, weights);
  const { lr, lrScale } = weights === undefined ? { lr: 2e-3, lrScale: 1 } : { lr: 1e-2, lrScale: 0.1 };
  const optimizer = new AdamW([
    { name: 'features', parameters: net.features.parameters(), weightDecay: 0.01, lrScale },
    { name: 'head', parameters: net.head.parameters(), weightDecay: 0.01 },
  ]);
  const losses = train(net, optimizer, select(data, isFew), rng, { ...training, lr });
  return { net, losses, accuracy: accuracy(net, select(data, isFew.logicalNot())) };
}

/** Takes the tensors `features.*` of a file, and not its head, which is for other classes. */
function loadFeatures(net: DigitNet, file: string): void {
  const prefix = 'features.';
  const own = [...loadSafetensors(file).tensors].filter(([name]) => name.startsWith(prefix));
  net.features.loadStateDict(new Map(own.map(([name, values]) => [name.slice(prefix.length), values])));
}

/** For each label [N], whether it is one of the first `count` of its class. */
function isAmongFirst(labels: torch.Tensor, count: number): torch.Tensor {
  return torch.scope(() => {
    const isClass = labels.oneHot(); // [N, classes]
    const place = isClass.cumsum(0).mul(isClass).sum(1); // 1 for the first of its class, 2 for the second, ...
    return place.le(count);
  });
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      images: { type: 'string', default: 'train-images-idx3-ubyte.gz' },
      labels: { type: 'string', default: 'train-labels-idx1-ubyte.gz' },
      weights: { type: 'string', default: 'digits.safetensors' },
      'held-out': { type: 'string', default: '2000' },
      'per-class': { type: 'string', default: '50' },
      epochs: { type: 'string', default: '20' },
      out: { type: 'string', default: 'holes.safetensors' },
    },
  });
  const data = select(readLabelledImages(values.images, values.labels), { start: -Number(values['held-out']) });
  const options = { numPerClass: Number(values['per-class']), numEpochs: Number(values.epochs), batchSize: 10 };
  const fromNothing = fineTune(data, { ...options, weights: undefined });
  const tuned = fineTune(data, { ...options, weights: values.weights });
  saveSafetensors(values.out, tuned.net.stateDict());
  console.log(`${values['per-class']} labelled images of each class; test images right:`);
  console.log(`${(100 * fromNothing.accuracy).toFixed(2)} % from nothing`);
  console.log(`${(100 * tuned.accuracy).toFixed(2)} % from ${values.weights}`);
}
