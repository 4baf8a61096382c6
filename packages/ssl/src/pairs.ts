/** Lists and records whose length or names are known to us but not to the type checker. Errors here are ours, never the user's. */

/** The two members of a list of two. */
export function pairOf<T>(list: readonly T[]): readonly [T, T] {
  const [first, second] = list;
  if (first === undefined || second === undefined || list.length !== 2) {
    throw new Error(`internal: pairOf: needs two members, got ${list.length}`);
  }
  return [first, second];
}

/** Members of two lists of equal length, paired by position. */
export function zip<A, B>(left: readonly A[], right: readonly B[]): (readonly [A, B])[] {
  if (left.length !== right.length) {
    throw new Error(`internal: zip: needs lists of one length, got ${left.length} and ${right.length}`);
  }
  // Lengths are equal, so that no index is out of range.
  return left.map((member, i) => [member, right[i] as B] as const);
}

/** The value under a name that is known to be there. */
export function entryOf<T>(record: Readonly<Record<string, T>>, name: string): T {
  const value = record[name];
  if (value === undefined) throw new Error(`internal: entryOf: no ${name} among ${Object.keys(record).join(', ')}`);
  return value;
}
