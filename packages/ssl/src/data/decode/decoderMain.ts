/**
 * The program of a decode process: takes jobs over IPC, writes pixels into the shared ring, answers once per message.
 *
 * One thread. It ends when its parent goes away, and never by the keyboard's or the scheduler's signals, which reach the whole
 * process group: the parent decides when the photos it has asked for are no longer wanted.
 */
import { mapSharedMemory, setNumThreads } from '@halfway/torch';
import sharp from 'sharp';
import { reasonOf } from '../../errors.js';
import { Ring, SLOT } from '../ring.js';
import { PhotoDecoder } from './decodePhoto.js';
import type { Assignment, FailedJob, FromDecoder, RenderJob, RenderRequest, ToDecoder } from './messages.js';
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

  constructor({ request, layout, maxPixels, cacheBytes }: Assignment) {
    this.request = request;
    this.ring = new Ring(mapSharedMemory(RING_FD, layout.totalBytes).buffer, layout);
    this.decoder = new PhotoDecoder({ maxPixels });
    this.cache = new PhotoCache(cacheBytes);
  }

  dispose(): void {
    for (const photo of this.cache.clear()) photo.pixels.dispose();
    this.files.close();
  }

  async render(bank: number, jobs: readonly RenderJob[]): Promise<FailedJob[]> {
    const failed: FailedJob[] = [];
    for (const job of jobs) {
      this.ring.setState(bank, job.slot, SLOT.started);
      try {
        await this.renderOne(bank, job);
        this.ring.setState(bank, job.slot, SLOT.done);
      } catch (error) {
        failed.push({ slot: job.slot, reason: reasonOf(error) });
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
  const hear = async (message: ToDecoder): Promise<void> => {
    switch (message.kind) {
      case 'assign':
        decoder?.dispose();
        decoder = new Decoder(message);
        return;
      case 'render': {
        const failed = await decoder?.render(message.bank, message.jobs);
        if (failed !== undefined) send({ kind: 'rendered', ticket: message.ticket, failed });
        return;
      }
      default:
        message satisfies never;
    }
  };
  let last: Promise<void> = Promise.resolve();
  const next = (work: () => void | Promise<void>): void => {
    last = last.then(work);
    last.catch((error: unknown) => {
      if (!process.connected) return; // said already
      send({ kind: 'unable', message: reasonOf(error) });
      process.disconnect();
    });
  };
  next(loadLibraries);
  process.on('message', (message: ToDecoder) => next(() => hear(message)));
}

/** At once: the parent is still busy with what has to be known before it can send work. */
function loadLibraries(): void {
  setNumThreads(1); // loads the engine
  sharp.concurrency(1);
  sharp.cache(false);
}

main();
