// How set-up tells a person what it is doing. It never decides anything.

/** Receives the steps (`line`) and the passing state inside a step (`progress`). */
export interface SetupLog {
  line(text: string): void;
  progress(text: string): void;
}

/** A log that says nothing. */
export const silentLog: SetupLog = { line: () => undefined, progress: () => undefined };

const plainIntervalMs = 10_000;

/**
 * A log on a stream: on a terminal `progress` rewrites one line; elsewhere it prints at most one line in ten seconds.
 * @param now clock in milliseconds, for tests
 */
export function streamLog(
  stream: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number },
  now: () => number = Date.now,
): SetupLog {
  let isOpen = false;
  let lastMs = now();
  return {
    line(text) {
      stream.write(`${isOpen ? '\r\x1b[K' : ''}${text}\n`);
      isOpen = false;
      lastMs = now();
    },
    progress(text) {
      if (stream.isTTY === true) {
        // A line that wraps could not be rewritten.
        stream.write(`\r\x1b[K  ${text.slice(0, Math.max(20, (stream.columns ?? 80) - 4))}`);
        isOpen = true;
      } else if (now() - lastMs >= plainIntervalMs) {
        stream.write(`  ${text}\n`);
        lastMs = now();
      }
    },
  };
}
