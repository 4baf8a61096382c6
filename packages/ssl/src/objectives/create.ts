/** From a configuration to an objective: the only place that knows which objectives and tasks there are. */
import type { Generator } from '@halfway/torch';
import { patchPx } from '../config/patchPx.js';
import type { Config } from '../config/schema.js';
import { createTransformation } from '../transforms/createTransformation.js';
import { thetaRegression } from './augself.js';
import { dino } from './dino.js';
import { dinov2 } from './dinov2.js';
import { ibot } from './ibot.js';
import type { Objective } from './objective.js';
import { withTask } from './pairTask.js';
import { reconstruction } from './reconstruct.js';
import { sie } from './sie.js';
import { simclr } from './simclr.js';
import { vicreg } from './vicreg.js';

// One entry per value of `objective`, and of `recon.of`: one that is missing here does not compile.
const BASES = { vicreg, simclr, dino, ibot, dinov2, sie } satisfies Record<
  Config['objective'],
  (config: Config, rng: Generator) => Objective
>;
const TASKS = { images: reconstruction, theta: thetaRegression } satisfies Record<Config['recon']['of'], unknown>;

/**
 * The base of `config.objective`, with the task of `config.recon` unless its target is `none`. The base is built first: with the
 * same generator seed its first weights are the same with and without the task.
 * Throws ConfigError for shapes that cannot be.
 */
export function createObjective(config: Config, rng: Generator): Objective {
  const base = BASES[config.objective](config, rng);
  const { target, of, ...recon } = config.recon;
  if (target === 'none') return base;
  const { imagePx } = config.model;
  const options = {
    ...recon,
    transformation: createTransformation(target, config.transform, imagePx),
    decoder: config.decoder,
    clsEqui: config.split.clsEqui,
    equivariantDim: config.split.equivariantDim,
    patchPx: patchPx(config.model),
    sizePx: imagePx,
  };
  return withTask(base, TASKS[of](options, rng), recon);
}
