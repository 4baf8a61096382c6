/** Folders of empty files that are named as photos, for tests that read no pixels. Not a test itself. */
import { folderOf } from '../data/photos.case.js';

/** A folder with a file of each name. */
export function photos(names: readonly string[]): string {
  return folderOf(Object.fromEntries(names.map((name) => [name, name])));
}

/** Names with a prefix: `shirt/0.jpg`, `shirt/1.jpg` ... */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}.jpg`);
}

/** Sixty of each of two classes. */
export function twoClasses(): string {
  return photos([...numbered('shirt/', 60), ...numbered('shoe/', 60)]);
}
