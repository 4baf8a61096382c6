/**
 * The program of a decode process: takes jobs over IPC, writes pixels into the shared ring, answers once per message.
 *
 * One thread. It ends when its parent goes away, and never by the keyboard's or the scheduler's signals, which reach the whole
 * process group: the parent decides when the photos it has asked for are no longer wanted.
 */
import { mapSharedMemory, setNumThreads } from '@halfway/torch';
import sharp from 'sharp';
import { Ring, SLOT } from '../ring.js';
import { PhotoDecoder } from './decodePhoto.js';
import type { FailedJob, FromDecoder, RenderJob, RenderRequest, ToDecoder } from './messages.js';
import { PhotoCache } from './photoCache.js';
import { PhotoFiles } from './photoFiles.js';
import { renderPhoto, type UprightPhoto, uprightPhoto } from './renderPhoto.js';

/** Place of the ring's descriptor in this process: stdin, stdout, stderr, IPC, then the ring. */
const RING_FD = 4;

class Decoder {
  private readonly request: RenderRequest;
  private readonly ring: Ring;
  private readonly decoder: PhotoDecoder;
  private readonly cache: PhotoCache<UprightPhoto>;
  private readonly files = new PhotoFiles();

  constructor(start: Extract<ToDecoder, { kind: 'start' }>) {
    setNumThreads(1);
    sharp.concurrency(1);
    sharp.cache(false);
    this.request = start.request;
    this.ring = new Ring(mapSharedMemory(RING_FD, start.layout.totalBytes).buffer, start.layout);
    this.decoder = new PhotoDecoder({ maxPixels: start.maxPixels });
    this.cache = new PhotoCache(start.cacheBytes);
  }

  async render(bank: number, jobs: readonly RenderJob[]): Promise<FailedJob[]> {
    const failed: FailedJob[] = [];
    for (const job of jobs) {
      this.ring.setState(bank, job.slot, SLOT.started);
      try {
        await this.renderOne(bank, job);
        this.ring.setState(bank, job.slot, SLOT.done);
      } catch (error) {
        failed.push({ slot: job.slot, reason: error instanceof Error ? error.message : String(error) });
        this.ring.setState(bank, job.slot, SLOT.failed);
      }
      await new Promise((resume) => setImmediate(resume)); // hear a disconnect between two photos
    }
    return failed;
  }

  private async renderOne(bank: number, job: RenderJob): Promise<void> {
    const known = this.cache.get(job.index);
    if (known !== undefined) {
      renderPhoto(known, this.request, job, this.ring, bank);
      return;
    }
    const photo = uprightPhoto(await this.decoder.decode(this.files.read(job.path, job.offsetBytes, job.sizeBytes)));
    const isKept = this.cache.offer(job.index, photo);
    try {
      renderPhoto(photo, this.request, job, this.ring, bank);
    } finally {
      if (!isKept) photo.pixels.dispose();
    }
  }
}

function send(message: FromDecoder): void {
  process.send?.(message);
}

function main(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  process.on('disconnect', () => process.exit(0));
  let decoder: Decoder | undefined;
  let last = Promise.resolve();
  process.on('message', (message: ToDecoder) => {
    last = last.then(async () => {
      if (message.kind === 'start') {
        decoder = new Decoder(message);
        send({ kind: 'ready' });
      } else if (decoder !== undefined) {
        send({ kind: 'rendered', ticket: message.ticket, failed: await decoder.render(message.bank, message.jobs) });
      }
    });
    last.catch((error: unknown) => {
      send({ kind: 'unable', message: error instanceof Error ? error.message : String(error) });
      process.disconnect();
    });
  });
}

main();
