/**
 * Optimizers, schedules, and the loops over all parameters around them.
 * @module optim
 */

import { fused } from '../fused.js';

export { Adam, type AdamOptions, AdamW } from './adam.js';
export { clipEachGradNorm, clipGradValue } from './clip.js';
export { LARS, type LarsConfig } from './lars.js';
export { type Members, Optimizer, type StateLists, type StateMakers } from './optimizer.js';
export type { GroupSettings, ParameterGroup, PerGroup, StepOptions } from './parameterGroup.js';
export {
  type CosineScheduleOptions,
  type PolynomialScheduleOptions,
  type StepScheduleOptions,
  type Warmup,
  cosineSchedule,
  polynomialSchedule,
  stepSchedule,
} from './schedules.js';
export { RMSprop, type RMSpropConfig } from './rmsprop.js';
export { SGD, type SgdConfig } from './sgd.js';
export const { clipGradNorm, emaUpdate: updateEma, allFinite } = fused;
