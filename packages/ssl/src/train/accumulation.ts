/** A step of several batches beside a step of one large batch: what is the same, and what is not. */
import { imagesPerStep } from '../config/peakLr.js';
import type { Config } from '../config/schema.js';
import type { Objective } from '../objectives/objective.js';

/** In words what the batches of a step come to; undefined where a step has one. */
export function accumulationText(
  config: Config,
  { batchDependent = [] }: Pick<Objective, 'batchDependent'>,
): string | undefined {
  const { accumulate } = config.optim;
  const { batch } = config.train;
  if (accumulate === 1) return undefined;
  const large = `a batch of ${imagesPerStep(config)}`;
  if (batchDependent.length === 0)
    return `a step of ${accumulate} batches of ${batch} is one of ${large}, but for rounding and the draws of drop path`;
  return (
    `a step of ${accumulate} batches of ${batch} is not one of ${large}: ${batchDependent.join(', ')} see ${batch} images at a time; ` +
    'raise train.batch as far as memory allows (train.checkpointActivations=true needs less of it), and lower optim.accumulate'
  );
}
