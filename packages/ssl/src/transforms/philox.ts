/**
 * Random numbers as a pure function of where they are used: the counter-based generator Philox4x32-10, in 32-bit integers.
 *
 * Nothing is seeded and no state is kept: a stream is named by (seed, epoch, index, view, purpose), so the number of workers,
 * a resume or another machine changes no draw.
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011); known answers from Random123's kat_vectors.
 */
import type { UniformDraw } from './transformation.js';

/** Two words of 32 bits. */
export type PhiloxKey = readonly [number, number];

/** Four words of 32 bits. */
export type PhiloxCounter = readonly [number, number, number, number];

const ROUNDS = 10;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9; // golden ratio
const WEYL_1 = 0xbb67ae85; // sqrt(3) - 1
const WORD = 2 ** 32;

/** One block of Philox4x32-10: four words of 32 bits, each in [0, 2^32). */
export function philox4x32(key: PhiloxKey, counter: PhiloxCounter): Uint32Array {
  let [k0, k1] = key;
  let [c0, c1, c2, c3] = counter;
  for (let round = 0; round < ROUNDS; round++) {
    const [low0, low1] = [Math.imul(MULTIPLIER_0, c0), Math.imul(MULTIPLIER_1, c2)];
    const [high0, high1] = [highWord(MULTIPLIER_0, c0), highWord(MULTIPLIER_1, c2)];
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  return Uint32Array.of(c0, c1, c2, c3);
}

/**
 * The stream of uniform draws in [0, 1), multiples of 2^-32, of one purpose for one view of one image in one epoch.
 *
 * Key (seed, hash of the purpose), counter (block, index, epoch, view): two streams share no block unless all five agree, or
 * two purposes share a 32-bit hash. A stream has 2^34 draws.
 *
 * @example const draw = uniformStream(0, epoch, index, 1, 'crop'); const scale = 0.08 + 0.92 * draw();
 * @throws RangeError when a number is not a whole one in [0, 2^32).
 */
export function uniformStream(seed: number, epoch: number, index: number, view: number, purpose: string): UniformDraw {
  for (const [name, value] of Object.entries({ seed, epoch, index, view })) {
    if (!Number.isInteger(value) || value < 0 || value >= WORD) {
      throw new RangeError(`uniformStream: ${name} must be a whole number in [0, 2^32), got ${value}`);
    }
  }
  const key = [seed, hashWord(purpose)] as const;
  let words: Uint32Array = new Uint32Array(0);
  let block = 0;
  let next = 0;
  return () => {
    if (next === words.length) {
      words = philox4x32(key, [block, index, epoch, view]);
      block += 1;
      next = 0;
    }
    const word = words[next] ?? 0;
    next += 1;
    return word / WORD;
  };
}

/** The upper 32 bits of the 64-bit product of two words, from products of their halves. */
function highWord(a: number, b: number): number {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = (Math.imul(a1, b0) >>> 0) + (Math.imul(a0, b0) >>> 16); // below 2^32
  const carry = (Math.imul(a0, b1) >>> 0) + (middle & 0xffff); // below 2^32
  return (Math.imul(a1, b1) + (middle >>> 16) + (carry >>> 16)) | 0;
}

/** FNV-1a of the text's UTF-16 units. Source: Fowler, Noll, Vo (draft-eastlake-fnv). */
function hashWord(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
