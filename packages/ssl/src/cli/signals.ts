/** Ctrl-C and SIGTERM: the first asks the work to save and stop, a second ends the process at once. */
import { say } from './output.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

// One Ctrl-C can arrive twice: from the terminal, and passed on by npx, npm or timeout. A person is slower than that.
const SAME_SIGNAL_MS = 300;

export interface StopRequest {
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** From here on a signal ends the process at once, as is usual. */
  readonly release: () => void;
}

/** Listens for Ctrl-C and SIGTERM until it is released. */
export function stopOnSignals(): StopRequest {
  const controller = new AbortController();
  let heardMs = 0;
  const hear = (): void => {
    const now = performance.now();
    if (!controller.signal.aborted) {
      say('stopping after this step and saving; once more ends at once');
      controller.abort();
    } else if (now - heardMs > SAME_SIGNAL_MS) {
      process.exit(1);
    }
    heardMs = now;
  };
  for (const signal of SIGNALS) process.on(signal, hear);
  const release = (): void => {
    for (const signal of SIGNALS) process.off(signal, hear);
  };
  return { signal: controller.signal, release };
}
