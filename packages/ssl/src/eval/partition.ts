/**
 * Which photo belongs to which part: a pure function of its id, so that it does not change with order, machine or run.
 * Not a shuffle: two photos with one id always land in one part, and a new photo moves no other (but one of its own name in another folder:
 * openSource.ts tells these apart).
 */
import { createHash } from 'node:crypto';

/** What a partition is for; each purpose hashes differently, so that the parts are independent of each other. */
export type PartitionPurpose = 'test' | 'validation' | 'fold' | 'subset';

/** Share of the photos that becomes the test part when the user names none. */
export const TEST_FRACTION = 0.2;

/** Share of the training photos on which the hyper-parameters of heads are chosen. */
export const VALIDATION_FRACTION = 0.1;

/** Positions of the photos of each side, in their order. */
export interface Partition {
  readonly kept: Int32Array;
  readonly heldOut: Int32Array;
}

/** A number in [0, 1) that depends on the id and the purpose only: the first 48 bits of SHA-256 over 2^48. */
export function hashFraction(id: string, purpose: PartitionPurpose): number {
  const digest = createHash('sha256').update(`${purpose}\0${id}`, 'utf8').digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

/**
 * Holds out the photos whose hash is below `heldOutFraction`; the true share of a small set can differ from it. Where that
 * would be none, the photo with the smallest hash is held out.
 */
export function partitionById(ids: readonly string[], heldOutFraction: number, purpose: PartitionPurpose): Partition {
  const fractions = ids.map((id) => hashFraction(id, purpose));
  const smallest = fractions.reduce((least, fraction) => Math.min(least, fraction), Infinity);
  const isHeldOut = (fraction: number): boolean => fraction < heldOutFraction || fraction === smallest;
  const kept: number[] = [];
  const heldOut: number[] = [];
  fractions.forEach((fraction, index) => (isHeldOut(fraction) ? heldOut : kept).push(index));
  return { kept: Int32Array.from(kept), heldOut: Int32Array.from(heldOut) };
}

/** The fold of each photo, 0 .. numFolds - 1. */
export function foldsById(ids: readonly string[], numFolds: number): Int32Array {
  return Int32Array.from(ids, (id) => Math.floor(hashFraction(id, 'fold') * numFolds));
}

/**
 * Positions of at most `count` photos, in their order: of each class those with the smallest hashes, the same number of every
 * class that has so many (photos without a class are one class); one more of some where it does not come out even. A smaller
 * subset lies within a larger one.
 */
export function evenSubset(ids: readonly string[], labels: readonly (number | undefined)[], count: number): Int32Array {
  const fractions = ids.map((id) => hashFraction(id, 'subset'));
  const byHash = [...ids.keys()].sort((a, b) => (fractions[a] ?? 0) - (fractions[b] ?? 0));
  const numSeen = new Map<number | undefined, number>();
  const ranked = byHash.map((position) => {
    const label = labels[position];
    const rank = numSeen.get(label) ?? 0; // among the photos of its class
    numSeen.set(label, rank + 1);
    return { position, rank };
  });
  ranked.sort((a, b) => a.rank - b.rank); // keeps the order by hash within a rank
  return Int32Array.from(ranked.slice(0, count), ({ position }) => position).sort();
}
