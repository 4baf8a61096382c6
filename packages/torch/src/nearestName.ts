// "Did you mean": for names that nobody has.

/** The candidate that takes the fewest insertions, deletions and exchanges of a letter to become `name`; undefined when there are none. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  let [nearest, least]: [string | undefined, number] = [undefined, Infinity];
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const distance = editDistance(name, candidate);
    if (distance < least) [nearest, least] = [candidate, distance];
  }
  return nearest;
}

// Wagner and Fischer 1974, row by row: entry j is the distance between the letters of `a` so far and the first j of `b`.
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const [left = 0, above = 0, aboveLeft = 0] = [next[j], row[j + 1], row[j]];
      next.push(Math.min(left + 1, above + 1, aboveLeft + Number(a[i] !== b[j])));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
