/** Masks of several images as one. */

/** The cells of all masks, one after the other. */
export function joined(masks: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(masks.flatMap((mask) => [...mask]));
}
