import { generator } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import type { ViewRequest } from '../data/batch.js';
import { createObjective } from '../objectives/create.js';

/** What the objective of a configuration asks of the data, without training it. */
export function viewsOf(config: Config): readonly ViewRequest[] {
  return createObjective(config, generator(0)).views;
}
