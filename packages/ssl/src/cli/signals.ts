/** Ctrl-C and SIGTERM: the first asks the work to save and stop, a second ends the process at once. */
import { say } from './output.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** A signal that is aborted by the first Ctrl-C or SIGTERM. */
export function stopOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.kill(process.pid, 'SIGKILL');
      controller.abort();
      say('stopping after this step and saving; once more ends at once');
    });
  }
  return controller.signal;
}
