/**
 * Opens photos wherever they lie: a folder, a tar shard, a file list, or several of these as one source.
 *
 * Labels are kept only when every path has them; class numbers then follow the class file, numbers, or code points.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DataError, reasonOf } from '../../errors.js';
import { listFileList } from './fileList.js';
import { listFolder } from './folder.js';
import { locations, realPath } from './location.js';
import { compareCodePoints } from './pathOrder.js';
import type { FilesLike, ListedSample, Listing, SampleLocation, Source } from './source.js';
import { listTarShard } from './tarShard.js';

/**
 * Opens one or more paths as one source. Scans names and sizes only; no photo is read. Ids that several paths have are told apart by the
 * ends of these.
 *
 * @example const source = openSource(['photos']); // or ['train-000000.tar', 'train-000001.tar'], or ['list.txt']
 * @throws DataError for a missing or unreadable path, a damaged archive, a path that holds no photo, and a photo that is given twice.
 */
export function openSource(paths: readonly string[]): Source {
  if (paths.length === 0)
    throw new DataError('data: at least one path is needed, got none; give a folder, .tar shards or a .txt list');
  requireApart(paths);
  const listings = paths.map(listPath);
  if (listings.some(({ isList }) => isList)) requireOnce(listings.flatMap((listing) => listing.samples));
  const classNames = joinClasses(listings);
  const numbers = new Map(classNames.map((name, i) => [name, i]));
  const names = listings.length === 1 ? paths : distinctNames(paths);
  const repeated = repeatedIds(listings);
  const samples = listings.flatMap((listing, i) =>
    listing.samples.map((sample) => located(sample, repeated.has(sample.id) ? `${names[i] ?? ''}:` : '', numbers)),
  );
  const notRead = joinOthers(listings);
  return {
    ...{ paths, samples, classNames, fingerprint: { paths, numImages: samples.length, hash: hashOf(samples) } },
    ...(notRead.length > 0 && { notRead }),
  };
}

function joinOthers(listings: readonly Listing[]): FilesLike[] {
  const counts = new Map<string, number>();
  for (const { others = [] } of listings) {
    for (const [suffix, count] of others) counts.set(suffix, (counts.get(suffix) ?? 0) + count);
  }
  return [...counts].map(([suffix, count]) => ({ suffix, count })).sort((a, b) => b.count - a.count);
}

/** Of lists, which can name any file: no photo twice, whichever ways it is written. */
function requireOnce(samples: readonly ListedSample[]): void {
  const locationOf = locations();
  const seen = new Map<string, ListedSample>();
  for (const sample of samples) {
    const location = locationOf(sample);
    const other = seen.get(location);
    seen.set(location, sample);
    if (other === undefined) continue;
    const relation = other.id === sample.id ? 'twice' : `and ${sample.id}, which are one file`;
    throw new DataError(`data: each photo must be given once, got ${other.id} ${relation}; leave one out`, {
      sampleId: sample.id,
      path: sample.path,
    });
  }
}

/** No path twice, and none inside another: photos would count twice. */
function requireApart(paths: readonly string[]): void {
  const given = new Map<string, string>(); // the path of each place
  const fail = (path: string, relation: string): never => {
    throw new DataError(`data: each path must be given once, got ${path} ${relation}; leave one out`, { path });
  };
  for (const path of paths) {
    const place = realPath(path);
    const other = given.get(place);
    if (other !== undefined) fail(other, other === path ? 'twice' : `and ${path}, which are one`);
    given.set(place, path);
  }
  for (const [place, path] of given) {
    for (let above = dirname(place); above !== dirname(above); above = dirname(above)) {
      const other = given.get(above);
      if (other !== undefined) fail(path, `and ${other}, which holds it`);
    }
  }
}

function listPath(path: string): Listing {
  requireReadable(path);
  if (statSync(path).isDirectory()) return listFolder(path.replace(/(?<=.)\/+$/, ''));
  const name = path.toLowerCase();
  if (name.endsWith('.tar')) return listTarShard(path);
  if (name.endsWith('.txt')) return listFileList(path);
  const compressed = /\.(tgz|tar\.\w+|zip)$/.test(name);
  throw new DataError(
    `data: a path must be a folder, a .tar or a .txt list, got ${path}; ${compressed ? 'unpack it first' : 'give the folder that holds it'}`,
    { path },
  );
}

function requireReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new DataError(
      isMissing
        ? `data: the path must exist, got ${path}; check it, it is relative to ${process.cwd()}`
        : `data: the path must be readable, got ${reasonOf(error)}; mend it, or change its mode or owner`,
      { path },
    );
  }
}

/** Class names in label order; none unless every sample of every listing has a class. */
function joinClasses(listings: readonly Listing[]): string[] {
  const names = new Set<string>();
  for (const listing of listings) {
    for (const { className } of listing.samples) {
      if (className === undefined) return [];
      names.add(className);
    }
  }
  const order = listings[0]?.classOrder;
  if (order !== undefined && listings.every((listing) => listing.classOrder?.join('\n') === order.join('\n')))
    return [...order];
  if (!listings.every((listing) => listing.numbered)) return [...names].sort(compareCodePoints);
  const highest = [...names].reduce((most, name) => Math.max(most, Number(name)), 0);
  const isDense = highest < 10 * names.size + 1000; // else the numbers are identifiers, not positions
  return isDense
    ? Array.from({ length: highest + 1 }, (_, i) => String(i))
    : [...names].sort((a, b) => Number(a) - Number(b));
}

/** Ids that occur more than once in the source. */
function repeatedIds(listings: readonly Listing[]): Set<string> {
  const once = new Set<string>();
  const repeated = new Set<string>();
  for (const { samples } of listings) {
    for (const { id } of samples) (once.has(id) ? repeated : once).add(id);
  }
  return repeated;
}

/** The ends of the paths, as many of their parts as tell them apart: the same from wherever they are named. */
function distinctNames(paths: readonly string[]): string[] {
  const parts = paths.map((path) => realPath(path).split('/'));
  for (let length = 1; ; length++) {
    const names = parts.map((each) => each.slice(-length).join('/'));
    if (new Set(names).size === names.length) return names;
  }
}

function located(sample: ListedSample, prefix: string, numbers: ReadonlyMap<string, number>): SampleLocation {
  const { className, ...place } = sample;
  const label = className === undefined ? undefined : numbers.get(className);
  const location = { ...place, id: prefix + place.id };
  return label === undefined ? location : { ...location, label };
}

function hashOf(samples: readonly SampleLocation[]): string {
  const hash = createHash('sha256');
  for (const { id, sizeBytes } of samples) hash.update(`${id}\t${sizeBytes}\n`);
  return hash.digest('hex');
}
