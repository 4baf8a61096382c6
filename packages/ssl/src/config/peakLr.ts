/** The largest learning rate of a run, which follows from several keys. */
import type { Config } from './schema.js';

type Sections = Pick<Config, 'optim' | 'train'>;

/** Images that a step sees: those of its `optim.accumulate` batches. */
export function imagesPerStep({ optim, train }: Sections): number {
  return optim.accumulate * train.batch;
}

/** Peak learning rate: `optim.lr` times what `optim.lrScaling` makes of the images of a step. */
export function peakLr(config: Sections): number {
  const { lr, lrScaling } = config.optim;
  const images = imagesPerStep(config);
  switch (lrScaling) {
    case 'none':
      return lr;
    case 'linear_256':
      return (lr * images) / 256;
    case 'sqrt_1024':
      return lr * Math.sqrt(images / 1024);
    default:
      return lrScaling satisfies never;
  }
}
