// Learns to read digits from any pair of IDX files, holds out the last images to say how well, and writes the weights.
//
//   node examples/dist/digits/classify.js --images train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz
//     [--test 2000] [--epochs 5] [--out digits.safetensors]

import { parseArgs } from 'node:util';
import * as torch from '@halfway/torch';
import { saveSafetensors } from '@halfway/torch/io';
import { AdamW } from '@halfway/torch/optim';
import { type LabelledImages, readLabelledImages, select } from './idx.js';
import { DigitNet, NUM_DIGITS, type TrainingOptions, accuracy, train } from './network.js';

/** What to test on, how long to train, and where the weights go. */
export interface ClassifyOptions extends TrainingOptions {
  /** How many images, from the end, are for testing only. */
  readonly numTest: number;
  readonly out: string;
}

/** Trains a new network; returns the mean loss of each epoch, and the share of test images that it reads right. */
export function classify(
  data: LabelledImages,
  { numTest, out, ...training }: ClassifyOptions,
): { readonly losses: readonly number[]; readonly accuracy: number } {
  const rng = torch.generator(0);
  const net = new DigitNet(NUM_DIGITS, rng);
  const optimizer = new AdamW([{ name: 'all', parameters: net.parameters(), weightDecay: 0.01 }]);
  const losses = train(net, optimizer, select(data, { end: -numTest }), rng, training);
  saveSafetensors(out, net.stateDict());
  return { losses, accuracy: accuracy(net, select(data, { start: -numTest })) };
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: {
      images: { type: 'string', default: 'train-images-idx3-ubyte.gz' },
      labels: { type: 'string', default: 'train-labels-idx1-ubyte.gz' },
      test: { type: 'string', default: '2000' },
      epochs: { type: 'string', default: '5' },
      out: { type: 'string', default: 'digits.safetensors' },
    },
  });
  const { accuracy } = classify(readLabelledImages(values.images, values.labels), {
    numTest: Number(values.test),
    numEpochs: Number(values.epochs),
    out: values.out,
    onEpoch: (loss) => console.log(`mean loss of the epoch ${loss.toFixed(4)}`),
  });
  console.log(`${(100 * accuracy).toFixed(2)} % of ${values.test} test images right; weights in ${values.out}`);
}
