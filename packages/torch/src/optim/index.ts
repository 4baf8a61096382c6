// @halfway/torch/optim: optimizers and the loops over all parameters around them.

import { fused } from '../fused.js';

export { AdamW, type AdamWOptions, type ParameterGroup } from './adamw.js';
export const { clipGradNorm, emaUpdate: updateEma, allFinite } = fused;
