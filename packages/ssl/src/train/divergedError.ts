/** A step whose loss, gradient or state was not finite. The update was not made, so that the last checkpoint is good. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';

  constructor(step: number, culprits: readonly string[], indices: readonly number[]) {
    const named = culprits.length > 0 ? culprits.join(', ') : "the objective's state";
    super(
      `train: every step must be finite, got ${named} not finite at step ${step}; nothing of it was applied. ` +
        `Lower optim.lr, set optim.clipNorm, or look at the photos at positions ${indices.slice(0, 8).join(', ')} of the source`,
    );
  }
}
