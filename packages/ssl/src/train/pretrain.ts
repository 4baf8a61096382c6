/** Pretraining as a function. The run itself is in pretrainRun.ts. */
import { parseConfig } from '../config/parse.js';
import { DecodePool } from '../data/decode/decodePool.js';
import type { PretrainSummary } from '../protocol/run.js';
import type { PretrainOptions } from './pretrainOptions.js';

export { InterruptedError } from './interruptedError.js';

/**
 * Trains and exports.
 *
 * @example
 * const config = loadRecipe('small/vicreg-rot', ['train.steps=500']);
 * const { run, final } = await pretrain({ config, recipe: 'small/vicreg-rot', data: ['photos'], out: 'runs/a' });
 * @throws ConfigError, DataError, RunError before the first step; DivergedError, DataError, RunError, InterruptedError later
 */
export async function pretrain(options: PretrainOptions): Promise<PretrainSummary> {
  const config = parseConfig(options.config, 'pretrain'); // types do not say what a number may be
  const pool = new DecodePool(config.data); // first: its processes load for as long as everything up to the first photo takes
  try {
    const { pretrainOn } = await import('./pretrainRun.js');
    return await pretrainOn(pool, { ...options, config });
  } finally {
    await pool.close();
  }
}
