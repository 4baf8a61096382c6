/** A step of one batch, all of it at once: the loop waits for the next batch between its parts. */
import * as torch from '@halfway/torch';
import type { DeviceBatch } from '../data/batch.js';
import type { StepParams } from './schedule.js';
import type { TrainState } from './state.js';
import { backward, type BatchOutput, type StepOutput, update } from './step.js';

export function trainStep(state: TrainState, batch: DeviceBatch, params: StepParams): BatchOutput & StepOutput {
  return torch.scope(() => {
    const output = backward(state, batch, params);
    return { ...output, ...update(state, [output], params) };
  });
}
