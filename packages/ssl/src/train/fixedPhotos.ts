/**
 * The same few photos, looked at again and again: what the run's pictures show. They are the first of the first step, so
 * that every picture of a run, resumed or not, shows the same ones.
 */
import { join } from 'node:path';
import * as torch from '@halfway/torch';
import { keep, scope } from '@halfway/torch';
import type { Config } from '../config/schema.js';
import type { DeviceBatch } from '../data/batch.js';
import { writeContactSheet } from '../data/contactSheet.js';
import type { DecodePool } from '../data/decode/decodePool.js';
import { deviceBatch } from '../data/device.js';
import { sheetImages } from '../data/sheetImages.js';
import { Feed } from '../data/feed.js';
import type { Source } from '../data/sources/source.js';
import type { Inspection, Objective } from '../objectives/objective.js';
import { diskError } from '../run/files.js';
import type { TrainState } from './state.js';

const NUM_PHOTOS = 8;

export class FixedPhotos {
  readonly #batch: DeviceBatch; // kept

  private constructor(batch: DeviceBatch) {
    this.#batch = batch;
  }

  /** Reads them with a pool that has nothing else to do; throws DataError when they cannot be. */
  static async load(
    pool: DecodePool,
    source: Source,
    config: Config,
    { views, planMasks }: Objective,
  ): Promise<FixedPhotos> {
    const { seed, batch, device } = config.train;
    const numPhotos = Math.min(NUM_PHOTOS, batch);
    const feed = new Feed(pool, { source, views, config, seed, batch: numPhotos, endStep: 1 });
    const host = await feed.next();
    return scope(() => {
      const photos = deviceBatch(host, { views, planMasks, config, seed, device });
      for (const tensor of tensorsOf(photos)) keep(tensor);
      return new FixedPhotos(photos);
    });
  }

  /** Inspects them and keeps nothing: what cannot work fails here, before the first step. */
  tryLook(state: TrainState): void {
    torch.noGrad(() => {
      scope(() => {
        this.#look(state);
      });
    });
  }

  /** Writes RUN/images/step-N.png; resolves to its path and the inspection's figures. Throws RunError when the disk does not take it. */
  async inspect(
    state: TrainState,
    runDir: string,
    step: number,
  ): Promise<{ readonly path: string; readonly figures: Record<string, number> }> {
    const path = join(runDir, 'images', `step-${String(step).padStart(6, '0')}.png`);
    const { figures, columns } = torch.noGrad(() =>
      scope(() => {
        const inspection = this.#look(state);
        const read = Object.entries(inspection.figures).map(([name, figure]) => [name, figure.item()] as const);
        return {
          figures: Object.fromEntries(read),
          columns: inspection.columns.map(({ title, images }) => ({ title, images: sheetImages(images) })),
        };
      }),
    );
    await writeContactSheet(path, columns).catch((error: unknown) => {
      throw diskError(path, error);
    });
    return { path, figures };
  }

  #look({ objective, objectiveState, context }: TrainState): Inspection {
    return objective.inspect(this.#batch, objectiveState, { ...context, train: false });
  }

  dispose(): void {
    for (const tensor of tensorsOf(this.#batch)) tensor.dispose();
  }
}

function tensorsOf({ views }: DeviceBatch): torch.Tensor[] {
  return views.flatMap(({ images, path, mask }) => [
    images,
    ...(mask === undefined ? [] : [mask]),
    ...(path === undefined ? [] : [path.theta, path.start, ...path.states, ...path.valid]),
  ]);
}
