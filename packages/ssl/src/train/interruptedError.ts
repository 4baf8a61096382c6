/** A run that was asked to stop; its checkpoint is written. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}
