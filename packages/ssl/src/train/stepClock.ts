/** Tells the time that steps take from that of what comes between them: rows, pictures, checkpoints, and whoever listens. */
export class StepClock {
  #leftOutMs = 0;

  /** Milliseconds since a fixed moment, without those that were left out. */
  nowMs(): number {
    return performance.now() - this.#leftOutMs;
  }

  /** Does work whose time does not count. */
  async leaveOut(work: () => void | Promise<void>): Promise<void> {
    const fromMs = performance.now();
    await work();
    this.#leftOutMs += performance.now() - fromMs;
  }
}
