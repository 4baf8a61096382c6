/**
 * The decode processes and the ring they write into.
 *
 * A photo always goes to the same process (index modulo their number), so that its decoded copy is found again there. What comes
 * out never depends on the number of processes.
 */
import { availableParallelism } from 'node:os';
import { createSharedMemory } from '@halfway/torch';
import type { Config } from '../../config/schema.js';
import { Ring, type RingLayout } from '../ring.js';
import { DecodeProcess } from './decodeProcess.js';
import type { FailedJob, RenderJob, RenderRequest } from './messages.js';

export interface PoolOptions {
  readonly request: RenderRequest;
  readonly layout: RingLayout;
  readonly config: Config['data'];
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
  readonly ring: Ring;
  private readonly processes: readonly DecodeProcess[];
  private readonly releaseMemory: () => void;
  private readonly stuckCheck: NodeJS.Timeout;

  private constructor(ring: Ring, processes: readonly DecodeProcess[], releaseMemory: () => void) {
    this.ring = ring;
    this.processes = processes;
    this.releaseMemory = releaseMemory;
    this.stuckCheck = setInterval(() => processes.forEach((process) => process.endIfStuck()), STUCK_CHECK_MS);
    this.stuckCheck.unref();
  }

  /**
   * Starts the processes and waits until they can take jobs.
   * @throws DataError when one cannot work; OutOfMemoryError when there is no room for the ring.
   */
  static async start({ request, layout, config, isCached }: PoolOptions): Promise<DecodePool> {
    const shared = createSharedMemory(layout.totalBytes);
    const ring = new Ring(shared.buffer, layout);
    const numProcesses = numDecodeProcesses(config);
    const cacheBytes = isCached ? Math.min(config.cacheMB * 1e6, process.availableMemory() / 4) / numProcesses : 0;
    const start = { kind: 'start', request, layout, maxPixels: config.maxPixels, cacheBytes } as const;
    const processes = Array.from({ length: numProcesses }, () => new DecodeProcess(start, ring, shared.fd));
    const pool = new DecodePool(ring, processes, () => shared.close());
    try {
      await Promise.all(processes.map((process) => process.open()));
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  get pids(): readonly number[] {
    return this.processes.flatMap((process) => process.pid ?? []);
  }

  /** Renders jobs into a bank; resolves with those whose photo cannot be read. @throws DataError when a process cannot work. */
  async render(bank: number, jobs: readonly RenderJob[]): Promise<FailedJob[]> {
    const shares = this.processes.map(async (process, p) => {
      const share = jobs.filter((job) => job.index % this.processes.length === p);
      return share.length === 0 ? [] : await process.render(bank, share);
    });
    return (await Promise.all(shares)).flat();
  }

  async close(): Promise<void> {
    clearInterval(this.stuckCheck);
    await Promise.all(this.processes.map((process) => process.close()));
    this.releaseMemory();
  }
}
