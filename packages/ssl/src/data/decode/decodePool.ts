/**
 * The decode processes and the ring they write into.
 *
 * They are started before it is known what they will do, since it takes them a while to load what they need; `assign` says it,
 * and can say something else later.
 *
 * A photo always goes to the same process (index modulo their number), so that its decoded copy is found again there. What comes
 * out never depends on the number of processes.
 */
import { ftruncateSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createSharedMemory, mapSharedMemory, type SharedMemory } from '@halfway/torch';
import type { Config } from '../../config/schema.js';
import { Ring, type RingLayout } from '../ring.js';
import { DecodeProcess } from './decodeProcess.js';
import type { FailedJob, RenderJob, RenderRequest } from './messages.js';

export interface PoolWork {
  readonly request: RenderRequest;
  readonly layout: RingLayout;
  /** Keep decoded photos for the next epoch, up to `data.cacheMB` and a quarter of the free memory. */
  readonly isCached: boolean;
}

const STUCK_CHECK_MS = 30_000;
const MAX_PROCESSES = 8;

/** Decode processes for a setting of `data.decodeProcesses`: 0 is one below four cores, else half the cores, at most eight. */
export function numDecodeProcesses(config: Config['data']): number {
  if (config.decodeProcesses > 0) return config.decodeProcesses;
  const cores = availableParallelism();
  return cores < 4 ? 1 : Math.min(MAX_PROCESSES, Math.floor(cores / 2));
}

export class DecodePool {
  private readonly config: Config['data'];
  private readonly memory: SharedMemory;
  private memoryBytes = 1;
  private readonly processes: readonly DecodeProcess[];
  private readonly stuckCheck: NodeJS.Timeout;

  /**
   * Starts the processes. Close the pool when done with it, or the program does not end.
   * @throws EngineNotFoundError; that a process cannot work is said by the first `render`.
   */
  constructor(config: Config['data']) {
    this.config = config;
    this.memory = createSharedMemory(this.memoryBytes); // processes inherit it; it grows to its ring when that is known
    const { fd } = this.memory;
    this.processes = Array.from({ length: numDecodeProcesses(config) }, () => new DecodeProcess(fd));
    this.stuckCheck = setInterval(() => this.processes.forEach((decoder) => decoder.endIfStuck()), STUCK_CHECK_MS);
    this.stuckCheck.unref();
  }

  /**
   * Says what is made of the photos that are rendered from now on. Nothing of an earlier assignment may be in work: its pixels are
   * written over.
   * @returns the ring that they are rendered into
   * @throws OutOfMemoryError when there is no room for it
   */
  assign({ request, layout, isCached }: PoolWork): Ring {
    if (layout.totalBytes > this.memoryBytes) {
      ftruncateSync(this.memory.fd, layout.totalBytes);
      this.memoryBytes = layout.totalBytes;
    }
    const ring = new Ring(mapSharedMemory(this.memory.fd, layout.totalBytes).buffer, layout);
    const { maxPixels, cacheMB } = this.config;
    const numProcesses = this.processes.length;
    const cacheBytes = isCached ? Math.min(cacheMB * 1e6, process.availableMemory() / 4) / numProcesses : 0;
    for (const decoder of this.processes) {
      decoder.assign({ kind: 'assign', request, layout, maxPixels, cacheBytes }, ring);
    }
    return ring;
  }

  get pids(): readonly number[] {
    return this.processes.flatMap((decoder) => decoder.pid ?? []);
  }

  /** Renders jobs into a bank; resolves with those whose photo cannot be read. @throws DataError when a process cannot work. */
  async render(bank: number, jobs: readonly RenderJob[]): Promise<FailedJob[]> {
    const shares = this.processes.map(async (decoder, p) => {
      const share = jobs.filter((job) => job.index % this.processes.length === p);
      return share.length === 0 ? [] : await decoder.render(bank, share);
    });
    return (await Promise.all(shares)).flat();
  }

  async close(): Promise<void> {
    clearInterval(this.stuckCheck);
    await Promise.all(this.processes.map((decoder) => decoder.close()));
    this.memory.close();
  }
}
