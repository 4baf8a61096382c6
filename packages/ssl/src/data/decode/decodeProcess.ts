/**
 * One decode process as its parent sees it: started, assigned, given jobs, started again when it dies.
 *
 * A process that dies costs the one photo that it was reading, which is reported like an unreadable file; its other jobs go
 * to its successor. A photo that is being read for minutes is treated the same way: its process is ended.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DataError } from '../../errors.js';
import { type Ring, SLOT } from '../ring.js';
import type { Assignment, FailedJob, FromDecoder, RenderJob, ToDecoder } from './messages.js';

const MAX_STARTS_WITHOUT_WORK = 3;
const STDERR_CHARS = 2000;

interface Ticket {
  readonly ring: Ring;
  readonly bank: number;
  readonly jobs: readonly RenderJob[];
  /** Jobs that a dead process took with it. */
  readonly lost: FailedJob[];
  readonly resolve: (failed: FailedJob[]) => void;
  readonly reject: (error: Error) => void;
}

/** What a process was assigned to: sent again to its successor. */
interface Work {
  readonly assignment: Assignment;
  readonly ring: Ring;
}

export class DecodeProcess {
  private readonly ringFd: number;
  private work: Work | undefined;
  private readonly tickets = new Map<number, Ticket>();
  private child: ChildProcess | undefined;
  private nextTicket = 0;
  private startsWithoutWork = 0;
  private isClosing = false;
  private failure: Error | undefined;
  private stderr = '';
  private watched = '';

  /**
   * Starts the process. It loads what it needs by itself; that it cannot work is said by the first `render`.
   * @param ringFd the shared memory of all rings that it is assigned to
   */
  constructor(ringFd: number) {
    this.ringFd = ringFd;
    this.spawn();
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Says what is made of the photos from now on, and where it goes. Everything rendered before must have been answered. */
  assign(assignment: Assignment, ring: Ring): void {
    if (this.tickets.size > 0)
      throw new Error('internal: a decode process was assigned new work in the middle of its jobs');
    this.work = { assignment, ring };
    this.send(assignment);
  }

  /** Renders jobs into a bank; resolves with those whose photo cannot be read. @throws DataError when the process cannot work. */
  render(bank: number, jobs: readonly RenderJob[]): Promise<FailedJob[]> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) {
        reject(this.failure);
        return;
      }
      if (this.work === undefined) throw new Error('internal: a decode process was given jobs before it was assigned');
      const { ring } = this.work;
      for (const job of jobs) ring.setState(bank, job.slot, SLOT.waiting);
      this.nextTicket += 1;
      this.tickets.set(this.nextTicket, { ring, bank, jobs, lost: [], resolve, reject });
      this.send({ kind: 'render', ticket: this.nextTicket, bank, jobs });
    });
  }

  /** Ends the process when it still reads the photo that it read at the last call but one; called every half minute. */
  endIfStuck(): void {
    const reading = [...this.tickets].flatMap(([ticket, { ring, bank, jobs }]) =>
      jobs.filter((job) => ring.state(bank, job.slot) === SLOT.started).map((job) => `${ticket}/${job.slot}/`),
    );
    const now = reading.join(' ');
    const isStuck = now !== '' && this.watched === `${now}again`;
    this.watched = this.watched === now ? `${now}again` : now;
    if (isStuck) this.child?.kill('SIGKILL');
  }

  /** Ends the process, which has nothing to lose; jobs that are not finished are rejected. */
  async close(): Promise<void> {
    this.isClosing = true;
    this.fail(new DataError('data: the decode processes were closed; start others'));
    const child = this.child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGKILL');
    });
  }

  private spawn(): void {
    this.startsWithoutWork += 1;
    const alone = { OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1', VIPS_CONCURRENCY: '1', CUDA_VISIBLE_DEVICES: '' };
    const child = spawn(process.execPath, [decoderProgram()], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc', this.ringFd],
      env: { ...process.env, ...alone },
    });
    this.child = child;
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString('utf8')).slice(-STDERR_CHARS);
    });
    child.on('message', (message: FromDecoder) => {
      if (this.child === child) this.hear(message); // what a dead process still said, the slots' states say better
    });
    child.once('error', (error) => this.died(child, error.message));
    child.once('exit', (code, signal) => this.died(child, signal ?? `exit code ${code ?? 0}`));
    if (this.work !== undefined) this.send(this.work.assignment);
  }

  private hear(message: FromDecoder): void {
    switch (message.kind) {
      case 'unable':
        this.fail(new DataError(`data: a decode process cannot work: ${message.message}`));
        return;
      case 'rendered': {
        this.startsWithoutWork = 0;
        const ticket = this.tickets.get(message.ticket);
        this.tickets.delete(message.ticket);
        ticket?.resolve([...ticket.lost, ...message.failed]);
        return;
      }
      default:
        message satisfies never;
    }
  }

  private died(child: ChildProcess, how: string): void {
    if (this.isClosing || this.failure !== undefined || this.child !== child) return;
    if (this.startsWithoutWork >= MAX_STARTS_WITHOUT_WORK) {
      const said = this.stderr.trim();
      this.fail(
        new DataError(
          `data: decode processes must stay alive, got ${how} ${MAX_STARTS_WITHOUT_WORK} times in a row; ${said === '' ? 'is there enough memory?' : said}`,
        ),
      );
      return;
    }
    const open = [...this.tickets];
    this.tickets.clear();
    this.spawn();
    for (const [id, ticket] of open) this.resend(id, ticket, how);
  }

  /** Gives the successor what the dead process had not finished, but for the photo that it was reading. */
  private resend(id: number, ticket: Ticket, how: string): void {
    const { ring, bank, jobs } = ticket;
    const stateOf = (job: RenderJob): number => ring.state(bank, job.slot);
    const culprits = jobs.filter((job) => stateOf(job) === SLOT.started);
    const lost = [
      ...ticket.lost,
      ...culprits.map(({ slot }) => ({ slot, reason: `the decode process ended (${how}) while it read this photo` })),
    ];
    const open = jobs.filter((job) => stateOf(job) === SLOT.waiting || stateOf(job) === SLOT.failed);
    if (culprits.length > 0) this.startsWithoutWork = 0; // the blame is the photo's
    for (const { slot } of culprits) ring.setState(bank, slot, SLOT.failed);
    if (open.length === 0) {
      ticket.resolve(lost);
      return;
    }
    for (const { slot } of open) ring.setState(bank, slot, SLOT.waiting);
    this.tickets.set(id, { ...ticket, jobs: open, lost });
    this.send({ kind: 'render', ticket: id, bank, jobs: open });
  }

  private send(message: ToDecoder): void {
    this.child?.send(message, ignoreClosedChannel); // a closed channel means that it died: `exit` deals with that
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const { reject } of this.tickets.values()) reject(error);
    this.tickets.clear();
  }
}

function ignoreClosedChannel(): void {
  return;
}

/** The built program: beside this file, or in dist/ when this file runs as TypeScript (tests). */
function decoderProgram(): string {
  const here = fileURLToPath(import.meta.url);
  const built = here.endsWith('.ts') ? here.replace(/src([/\\]data[/\\]decode[/\\])/, 'dist$1') : here;
  const program = built.replace(/decodeProcess\.[jt]s$/, 'decoderMain.js');
  if (!existsSync(program))
    throw new DataError(`data: the decode program must be built, got no ${program}; run npm run build`);
  return program;
}
