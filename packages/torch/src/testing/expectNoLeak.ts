// Leaks by the engine's own counts: a graph that is held shows as bytes where it does not as tensors.

import { memory } from '../memory.js';
import { scope } from '../scope.js';

/**
 * Passes when a second run of `fn` inside a scope leaves as many live tensors and bytes as there were. The first run may keep what is
 * made once. `fn` disposes what it keeps.
 * Throws Error with the numbers.
 * @example expectNoLeak(() => layer.forward(x, ctx).sum().backward());
 */
export function expectNoLeak(fn: () => unknown): void {
  const run = (): void => {
    scope(() => {
      fn();
    });
  };
  run();
  const before = memory.stats();
  run();
  const after = memory.stats();
  const [numTensors, numBytes] = [after.liveTensors - before.liveTensors, after.liveBytes - before.liveBytes];
  if (numTensors > 0 || numBytes > 0) {
    throw new Error(`expectNoLeak: a run must leave nothing, got ${numTensors} tensors and ${numBytes} bytes`);
  }
}
