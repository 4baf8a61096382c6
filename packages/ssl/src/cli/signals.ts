/** Ctrl-C and SIGTERM: the first asks the work to save and stop, a second ends the process at once. */
import { say } from './output.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

// One Ctrl-C can arrive twice: from the terminal, and passed on by npx, npm or timeout. A person is slower than that.
const SAME_SIGNAL_MS = 300;

/** A signal that is aborted by the first Ctrl-C or SIGTERM. */
export function stopOnSignals(): AbortSignal {
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
  return controller.signal;
}
