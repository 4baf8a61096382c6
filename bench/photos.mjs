// The photos that are decoded: a folder of the user's, or the shipped photos of clothes as files.
import { mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { BenchError } from './benchError.mjs';
import { openSource } from '../packages/ssl/dist/data/sources/openSource.js';
import { readRange } from '../packages/ssl/dist/data/sources/tarArchive.js';
import { shippedPhotos } from '../packages/ssl/dist/config/shippedPhotos.js';

const LEAST_PHOTOS = 128; // the largest batch of the suites

/**
 * The folder and its files in a fixed order.
 * @param folder the user's; absent: the shipped shards are unpacked into a temporary folder that ends with this process
 * @throws BenchError for a folder with too few photos; DataError for one that cannot be read
 */
export function photoFolder(folder = unpackShipped()) {
  const files = openSource([folder]).samples.map(({ path }) => path);
  if (files.length >= LEAST_PHOTOS) return { folder, files };
  throw new BenchError(
    `bench: --photos must name a folder of at least ${LEAST_PHOTOS} photos, got ${files.length} in ${folder}; name another one`,
  );
}

function unpackShipped() {
  const folder = mkdtempSync(join(tmpdir(), 'halfway-bench-photos-'));
  process.on('exit', () => rmSync(folder, { recursive: true }));
  for (const path of shippedPhotos('train')) {
    const fd = openSync(path, 'r');
    for (const { id, offsetBytes, sizeBytes } of openSource([path]).samples) {
      writeFileSync(join(folder, basename(id)), readRange(fd, offsetBytes, sizeBytes));
    }
    closeSync(fd);
  }
  return folder;
}
