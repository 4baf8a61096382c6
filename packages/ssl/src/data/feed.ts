/**
 * The feed of a training run: batches of uint8 views, decoded ahead of time by other processes.
 *
 * It keeps every bank of the ring in work and hands batches out in step order. What is in a batch depends on the seed, the step
 * and the photos only: not on timing, on the number of processes, or on where the run started.
 */
import type { Config } from '../config/schema.js';
import { DataError } from '../errors.js';
import type { ViewRequest } from './batch.js';
import { BadPhotos } from './badPhotos.js';
import type { DecodePool } from './decode/decodePool.js';
import { type FailedJob, type RenderJob, renderJob } from './decode/messages.js';
import { type Draw, ShuffledOrder } from './order.js';
import { type Ring, ringLayout, type RingLayout } from './ring.js';
import type { BadSample, Source } from './sources/source.js';
import type { CropRequest } from './views/plan.js';

export interface FeedOptions {
  readonly source: Source;
  readonly views: readonly ViewRequest[];
  readonly config: Pick<Config, 'augment' | 'data'>;
  readonly seed: number;
  /** Photos a step. */
  readonly batch: number;
  /** First step to hand out; a resumed run gets the batches that the interrupted one would have got. */
  readonly startStep?: number;
  /** Step of which no batch is made any more, nor of those after it. */
  readonly endStep?: number;
}

/** One step's pixels in shared memory. They stay as they are until `release`. */
export interface HostBatch {
  readonly step: number;
  /** Per view u8 [B, 3, C, C], C = canvasPx of the view. */
  readonly views: readonly Uint8Array[];
  readonly canvasPx: readonly number[];
  /** [B] photos shown: positions in the source. */
  readonly indices: Int32Array;
  /** [B] what the order drew: differs from `indices` where a bad photo was replaced by the next good one. */
  readonly drawn: readonly Draw[];
  /** How long `next` waited for this batch. */
  readonly waitMs: number;
  /** Gives the memory back to the decode processes; call it when the pixels were copied. */
  release(): void;
}

interface FilledBank {
  readonly step: number;
  readonly bank: number;
  readonly indices: Int32Array;
  readonly drawn: readonly Draw[];
}

const RING_BYTES = 128e6; // enough to smooth out slow photos; larger batches get the two banks that are needed
const MAX_BANKS = 6;

/** A training has the settings of its recipe; all that an evaluation can do is to mend the photos. */
const REMEDY = ', or allow more by data.maxBadFraction of the recipe or of --set';

export class Feed {
  private readonly pool: DecodePool;
  private readonly options: FeedOptions;
  private readonly ring: Ring;
  private readonly order: ShuffledOrder;
  private readonly badPhotos: BadPhotos;
  private readonly freeBanks: number[];
  private readonly filling: Promise<FilledBank>[] = [];
  private nextStep: number;
  private failure: Error | undefined;

  /**
   * Assigns the pool to this feed and starts the first batches. The pool stays its owner's, who closes it; it can be assigned to
   * something else when every batch up to `endStep` was handed out.
   *
   * @example
   * const pool = new DecodePool(config.data);
   * const feed = new Feed(pool, { source, views: objective.views, config, seed: 0, batch: 64 });
   * const host = await feed.next();
   * const batch = deviceBatch(host, { views: objective.views, config, seed: 0 });
   * host.release();
   * await pool.close();
   * @throws DataError for a source without photos
   */
  constructor(pool: DecodePool, options: FeedOptions) {
    const { source, config, seed, batch } = options;
    if (source.samples.length === 0) throw new DataError('feed: a source must hold photos, got none; open another one');
    const views = options.views.map((view) => cropRequest(view, config.augment));
    const request = { kind: 'views', seed, views, augment: config.augment } as const;
    this.pool = pool;
    this.options = options;
    this.ring = pool.assign({ request, layout: feedLayout(batch, views), isCached: true });
    this.order = new ShuffledOrder(source.samples.length, seed);
    this.badPhotos = new BadPhotos(source, config.data.maxBadFraction, { remedy: REMEDY });
    this.freeBanks = Array.from({ length: this.ring.layout.numBanks }, (_, bank) => bank);
    this.nextStep = options.startStep ?? 0;
    this.fillFreeBanks();
  }

  /** Photos found bad so far, in the order in which they were found. */
  get bad(): readonly BadSample[] {
    return this.badPhotos.list;
  }

  /**
   * The next step's batch.
   * @throws DataError when more than `data.maxBadFraction` of the photos are bad, listing them, or no process can decode.
   */
  async next(): Promise<HostBatch> {
    if (this.failure !== undefined) throw this.failure;
    const filling = this.filling.shift();
    if (filling === undefined) {
      throw new Error(`internal: feed.next at the end, or with all ${this.ring.layout.numBanks} batches unreleased`);
    }
    const startedAt = performance.now();
    try {
      const filled = await filling;
      return this.hostBatch(filled, performance.now() - startedAt);
    } catch (error) {
      this.failure = error instanceof Error ? error : new Error(String(error));
      throw this.failure;
    }
  }

  private hostBatch({ step, bank, indices, drawn }: FilledBank, waitMs: number): HostBatch {
    const { ring } = this;
    const { canvasPx } = ring.layout;
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      this.freeBanks.push(bank);
      this.fillFreeBanks();
    };
    return {
      step,
      views: canvasPx.map((_, view) => ring.images(bank, view)),
      canvasPx,
      indices,
      drawn,
      waitMs,
      release,
    };
  }

  private fillFreeBanks(): void {
    const { endStep = Infinity } = this.options;
    while (this.nextStep < endStep) {
      const bank = this.freeBanks.shift();
      if (bank === undefined) return;
      const filling = this.fill(this.nextStep, bank);
      filling.catch(() => undefined); // `next` reports it
      this.filling.push(filling);
      this.nextStep += 1;
    }
  }

  private async fill(step: number, bank: number): Promise<FilledBank> {
    const drawn = this.order.batchAt(step, this.options.batch);
    const indices = new Int32Array(drawn.length);
    let slots = drawn.map((_, slot) => slot);
    while (slots.length > 0) {
      const jobs = slots.map((slot) => this.jobOf(slot, drawn[slot]));
      for (const job of jobs) indices[job.slot] = job.index;
      const failed = await this.pool.render(bank, jobs);
      this.report(failed, indices);
      slots = failed.map(({ slot }) => slot).sort((a, b) => a - b);
    }
    return { step, bank, indices, drawn };
  }

  private jobOf(slot: number, draw: Draw | undefined): RenderJob {
    const { epoch, index: drawnIndex } = draw ?? { epoch: 0, index: 0 };
    const index = this.badPhotos.nextGood(drawnIndex);
    return renderJob(this.options.source, { slot, index, epoch, drawnIndex });
  }

  private report(failed: readonly FailedJob[], indices: Int32Array): void {
    for (const { slot, reason } of failed) this.badPhotos.add(indices[slot] ?? 0, reason);
    this.badPhotos.check();
  }
}

/** What the decode processes cut for a view. */
export function cropRequest({ sizePx, transformed, local }: ViewRequest, augment: Config['augment']): CropRequest {
  const needsSurroundings = transformed?.fill === 'content' && transformed.transformation.geometric;
  const canvasPx = needsSurroundings ? transformed.transformation.canvasPx(sizePx) : sizePx;
  const { cropScale } = local === true ? augment.local : augment;
  return { sizePx, canvasPx, sharesWithFirst: transformed?.sharedCrop ?? false, cropScale };
}

function feedLayout(batch: number, views: readonly CropRequest[]): RingLayout {
  const canvasPx = views.map((view) => view.canvasPx);
  const { bankBytes } = ringLayout(1, batch, canvasPx);
  const numBanks = Math.min(MAX_BANKS, Math.max(2, Math.floor(RING_BYTES / bankBytes)));
  return ringLayout(numBanks, batch, canvasPx);
}
