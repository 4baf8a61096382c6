import * as torch from '@halfway/torch';
import { expect, it } from 'vitest';
import { DecodePool } from '../data/decode/decodePool.js';
import { photoSource } from '../data/photos.case.js';
import { tinyConfig } from '../run/scratch.case.js';
import { FixedPhotos } from './fixedPhotos.js';
import { createTrainState } from './state.js';

const photos = await photoSource(6);

it('tries the inspection and keeps no tensor of it', async () => {
  const config = tinyConfig();
  const pool = new DecodePool(config.data);
  const state = createTrainState(config, 'float32');
  const fixed = await FixedPhotos.load(pool, photos, config, state.objective);
  const before = torch.memory.stats().liveTensors;
  fixed.tryLook(state);
  expect(torch.memory.stats().liveTensors).toBe(before);
  fixed.dispose();
  await pool.close();
});
