/** The CC0 photos of clothes that come with the program: what commands read when no data are named. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '../../errors.js';

const FOLDER = fileURLToPath(new URL('../../../assets/clothing', import.meta.url));

/** Paths of the shards of one part. Throws DataError when they are not there. */
export function shippedPhotos(part: 'train' | 'validation' | 'test'): string[] {
  const files = existsSync(FOLDER) ? readdirSync(FOLDER) : [];
  const shards = files.filter((file) => file.startsWith(`${part}-`) && file.endsWith('.tar')).sort();
  if (shards.length === 0) {
    throw new DataError(
      `data: the shipped photos must be in ${FOLDER}, got none of ${part}; name your own with --data`,
    );
  }
  return shards.map((file) => join(FOLDER, file));
}
