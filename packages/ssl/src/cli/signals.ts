/** Ctrl-C and SIGTERM: the first asks the work to save and stop, a second ends the process at once. */
import { say } from './output.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

// One Ctrl-C can arrive twice: from the terminal, and passed on by npx, npm or timeout. A person is slower than that.
const SAME_SIGNAL_MS = 300;

export interface StopRequest {
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** From here on the system's own handling is back: a signal ends the process at once. */
  readonly release: () => void;
}

/** Does work that Ctrl-C and SIGTERM ask to stop. */
export async function stoppable<T>(work: (stop: StopRequest) => Promise<T>): Promise<T> {
  const stop = stopOnSignals();
  try {
    return await work(stop);
  } finally {
    stop.release();
  }
}

/**
 * Listens for Ctrl-C and SIGTERM until it is released, which happens by itself soon after the first: the second then ends
 * the process even where it is inside the engine and runs no JavaScript.
 */
function stopOnSignals(): StopRequest {
  const controller = new AbortController();
  const hear = (): void => {
    if (controller.signal.aborted) return;
    say('stopping after this step and saving; once more ends at once');
    controller.abort();
    setTimeout(release, SAME_SIGNAL_MS).unref();
  };
  const release = (): void => {
    for (const signal of SIGNALS) process.off(signal, hear);
  };
  for (const signal of SIGNALS) process.on(signal, hear);
  return { signal: controller.signal, release };
}
