const NAMED_PHOTOS = 8;

/** A step whose loss, gradient or state was not finite. The update was not made, so that the last checkpoint is good. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';

  /** @param photos of the step, as a person finds them */
  constructor(step: number, culprits: readonly string[], photos: readonly string[]) {
    const named = culprits.length > 0 ? culprits.join(', ') : "the objective's state";
    const numMore = photos.length - NAMED_PHOTOS;
    const more = numMore > 0 ? ` and ${numMore} more` : '';
    super(
      `train: every step must be finite, got ${named} not finite at step ${step}; nothing of it was applied. ` +
        `Lower optim.lr, set optim.clipNorm, or look at its photos: ${photos.slice(0, NAMED_PHOTOS).join(', ')}${more}`,
    );
  }
}
