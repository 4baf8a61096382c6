// @halfway/torch/optim: optimizers, schedules, and the loops over all parameters around them.

import { fused } from '../fused.js';

export { Adam, type AdamOptions, AdamW } from './adam.js';
export { clipEachGradNorm, clipGradValue } from './clip.js';
export { LARS, type LarsConfig } from './lars.js';
export { Optimizer } from './optimizer.js';
export type { ParameterGroup, PerGroup, StepOptions } from './parameterGroup.js';
export {
  type CosineScheduleOptions,
  type PolynomialScheduleOptions,
  type StepScheduleOptions,
  cosineSchedule,
  polynomialSchedule,
  stepSchedule,
} from './schedules.js';
export { SGD, type SgdConfig } from './sgd.js';
export const { clipGradNorm, emaUpdate: updateEma, allFinite } = fused;
