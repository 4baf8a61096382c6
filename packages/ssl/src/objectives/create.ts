/** From a configuration to an objective: the only place that knows which objectives there are. */
import type { Generator } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { createTransformation } from '../transforms/createTransformation.js';
import type { Objective } from './objective.js';
import { withReconstruction } from './reconstruct.js';
import { vicreg } from './vicreg.js';

// One entry per value of `objective`: a base that is missing here does not compile.
const BASES = { vicreg } satisfies Record<Config['objective'], (config: Config, rng: Generator) => Objective>;

/**
 * The base of `config.objective`, with the reconstruction task unless `recon.target` is `none`. The base is built first:
 * with the same generator seed its first weights are the same with and without the task.
 * Throws ConfigError for shapes that cannot be.
 */
export function createObjective(config: Config, rng: Generator): Objective {
  const base = BASES[config.objective](config, rng);
  const { target, ...recon } = config.recon;
  if (target === 'none') return base;
  const { imagePx, patch } = config.model;
  const options = {
    ...recon,
    transformation: createTransformation(target, config.transform, imagePx),
    decoder: config.decoder,
    clsEqui: config.split.clsEqui,
    equivariantDim: config.split.equivariantDim,
    patchPx: patch,
  };
  return withReconstruction(base, options, rng);
}
