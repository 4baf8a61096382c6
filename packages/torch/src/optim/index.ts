// @halfway/torch/optim: optimizers and the loops over all parameters around them.

import { fused } from '../fused.js';

export { AdamW, type AdamWOptions } from './adamw.js';
export type { ParameterGroup, StepOptions } from './parameterGroup.js';
export { SGD, type SgdConfig } from './sgd.js';
export const { clipGradNorm, emaUpdate: updateEma, allFinite } = fused;
