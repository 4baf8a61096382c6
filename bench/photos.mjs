// The photos that are decoded: a folder of the user's, or the shipped photos of clothes as files.
import { mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { BenchError } from './benchError.mjs';
import { openSource } from '../packages/ssl/dist/data/sources/openSource.js';
import { readRange } from '../packages/ssl/dist/data/sources/tarArchive.js';
import { shippedPhotos } from '../packages/ssl/dist/data/sources/shippedPhotos.js';

/**
 * The folder and its files in a fixed order.
 * @param folder the user's; absent: the shipped shards are unpacked into a temporary folder that ends with this process
 * @throws DataError for a folder that cannot be read
 */
export function photoFolder(folder = unpackShipped()) {
  return { folder, files: openSource([folder]).samples.map(({ path }) => path) };
}

/** The same folder, when it has enough photos for a row; else a BenchError. */
export function expectPhotos({ folder, files }, least) {
  if (files.length >= least) return { folder, files };
  throw new BenchError(
    `bench: --photos must name a folder of at least ${least} photos for this row, got ${files.length} in ${folder}; name another one`,
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
