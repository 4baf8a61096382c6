/**
 * The order of photos and the classes that folders imply, so that both equal torchvision's ImageFolder.
 *
 * Source: torchvision datasets/folder.py (classes sorted; inside a class folders sorted by path, then files sorted).
 */

/** Order of two names by code point, as Python sorts strings. (`<` compares UTF-16 units, which puts U+FFxx after emoji.) */
export function compareCodePoints(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA !== unitB) return (a.codePointAt(i) ?? unitA) - (b.codePointAt(i) ?? unitB) || unitA - unitB;
  }
  return a.length - b.length;
}

/**
 * The class of each relative path: its first folder, when every path has one; otherwise undefined for all.
 * Folders that hold everything (`train/` around the classes) are looked through first.
 */
export function classesByFolder(relativePaths: readonly string[]): (string | undefined)[] {
  const parts = relativePaths.map((path) => path.split('/'));
  const shallowest = parts.reduce((least, path) => Math.min(least, path.length), Infinity);
  if (shallowest < 2 || parts.length === 0) return relativePaths.map(() => undefined);
  let depth = 0;
  while (shallowest - depth > 2 && parts.every((path) => path[depth] === parts[0]?.[depth])) depth += 1;
  return parts.map((path) => path[depth]);
}

/** Sorts by class, then folder, then file name, all by code point. */
export function inFolderOrder<T extends { readonly id: string; readonly className?: string }>(
  samples: readonly T[],
): T[] {
  const keyed = samples.map((sample) => {
    const slash = sample.id.lastIndexOf('/');
    return { sample, folder: sample.id.slice(0, slash + 1), file: sample.id.slice(slash + 1) };
  });
  keyed.sort(
    (a, b) =>
      compareCodePoints(a.sample.className ?? '', b.sample.className ?? '') ||
      compareCodePoints(a.folder, b.folder) ||
      compareCodePoints(a.file, b.file),
  );
  return keyed.map(({ sample }) => sample);
}
