/** Where photos lie, whichever way their paths are written. */
import { realpathSync, type Stats, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { SampleLocation } from './source.js';

/** Where a path leads, by one name whichever way it is written; as it is where there is nothing. */
export function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return resolve(path);
  }
}

/** What is at a path; undefined where there is nothing, and where links go round or a folder above may not be entered. */
export function fileStats(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** A function that tells photos apart by the bytes that they are. */
export function locations(): (sample: Pick<SampleLocation, 'path' | 'offsetBytes'>) => string {
  const real = new Map<string, string>(); // of a shard for all of its photos
  return ({ path, offsetBytes }) => {
    const known = real.get(path) ?? realPath(path);
    real.set(path, known);
    return `${known}\0${offsetBytes}`;
  };
}
