/**
 * Which shapes of a network can be. The configuration is checked by these rules before anything is read, and each module by its own when
 * it is made, for those who make one without a configuration.
 */
import { ConfigError } from '../errors.js';

/** Throws ConfigError, with the nearest sizes that would do, unless the side of an image is a multiple of the patch. */
export function expectMultiple(where: string, imagePx: number, patchPx: number): void {
  if (imagePx > 0 && imagePx % patchPx === 0) return;
  const below = Math.floor(imagePx / patchPx) * patchPx;
  const nearest = below > 0 ? `${below} or ${below + patchPx}` : `${patchPx}`;
  throw new ConfigError(
    `${where}: must be a multiple of the patch, ${patchPx} px, got ${imagePx} px; use ${nearest} px`,
    'model.imagePx',
  );
}

/** Throws ConfigError, with the nearest divisors, unless the number at `key` divides that at `ofKey`. */
export function expectDivisor(key: string, divisor: number, ofKey: string, dividend: number): void {
  if (dividend % divisor === 0) return;
  const divisors = Array.from({ length: dividend }, (_, i) => i + 1).filter((number) => dividend % number === 0);
  const next = [divisors.findLast((number) => number < divisor), divisors.find((number) => number > divisor)];
  const advice = next.filter((number) => number !== undefined).join(' or ');
  throw new ConfigError(`${key}: must divide ${ofKey} ${dividend}, got ${divisor}; use ${advice}`, key);
}

/** Throws ConfigError unless the channels can be halved three times. */
export function expectDecoderChannels(channels: number): void {
  if (channels % 8 === 0) return;
  const below = Math.floor(channels / 8) * 8;
  const nearest = below > 0 ? `${below} or ${below + 8}` : '8';
  throw new ConfigError(
    `decoder.channels: must be a multiple of 8, got ${channels}; use ${nearest}`,
    'decoder.channels',
  );
}

/**
 * Throws ConfigError unless the invariant part holds a feature, and the equivariant part at least `smallest`.
 * @param smallest features of the equivariant part: 1 where something reads it
 */
export function expectSplit(featureDim: number, equivariantDim: number, smallest: 0 | 1 = 0): void {
  if (equivariantDim >= smallest && equivariantDim < featureDim) return;
  throw new ConfigError(
    `split.equivariantDim: must lie between ${smallest} and ${featureDim - 1}, got ${equivariantDim} of ${featureDim} features; ` +
      `use ${Math.max(1, Math.floor(featureDim / 2))}`,
    'split.equivariantDim',
  );
}
