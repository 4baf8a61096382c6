import { closest, distance } from 'fastest-levenshtein';

/** The candidate with the fewest edits to `name`, if it is close enough to be a typo (a third of the letters, at least 2). */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined;
  const lower = name.toLowerCase();
  const lowered = candidates.map((candidate) => candidate.toLowerCase());
  const nearest = closest(lower, lowered);
  const isTypo = distance(lower, nearest) <= Math.max(2, Math.floor(name.length / 3));
  return isTypo ? candidates[lowered.indexOf(nearest)] : undefined;
}
