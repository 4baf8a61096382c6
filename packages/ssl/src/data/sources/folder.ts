/**
 * A folder of photos, read recursively; labels from its first-level sub-folders when every photo lies in one.
 *
 * Hidden files and folders (a leading dot) are passed over: they are thumbnails and resource forks, not photos.
 */
import { readdirSync, realpathSync } from 'node:fs';
import { DataError, reasonOf } from '../../errors.js';
import { fileStats } from './location.js';
import { classesByFolder, inFolderOrder } from './pathOrder.js';
import { filesText, isPhotoName, type ListedSample, type Listing, PHOTO_SUFFIXES } from './source.js';

/**
 * Lists the photos under `root`, in torchvision's ImageFolder order.
 * @throws DataError when a folder cannot be read or holds no photo.
 */
export function listFolder(root: string): Listing {
  const found: ListedSample[] = [];
  const others = new Map<string, number>();
  walk(root, '', [realpathSync(root)], found, others);
  if (found.length === 0)
    throw new DataError(`data: a folder must hold photos, got none under ${root}; ${nextStep(others)}`, { path: root });
  const classes = classesByFolder(found.map((sample) => sample.id));
  const labelled = found.map((sample, i) => {
    const className = classes[i];
    return className === undefined ? sample : { ...sample, className };
  });
  return { samples: inFolderOrder(labelled), numbered: false, others };
}

function walk(
  root: string,
  below: string,
  ancestors: readonly string[],
  found: ListedSample[],
  others: Map<string, number>,
): void {
  const folder = below === '' ? root : `${root}/${below}`;
  for (const entry of readFolder(folder)) {
    if (entry.name.startsWith('.')) continue;
    const id = below === '' ? entry.name : `${below}/${entry.name}`;
    const path = `${root}/${id}`;
    const stats = fileStats(path);
    if (stats?.isDirectory() === true) {
      const real = entry.isSymbolicLink() ? realpathSync(path) : `${ancestors.at(-1) ?? root}/${entry.name}`;
      if (!ancestors.includes(real)) walk(root, id, [...ancestors, real], found, others); // a link to a parent would never end
    } else if (isPhotoName(entry.name)) {
      found.push({ id, path, offsetBytes: 0, sizeBytes: stats?.size ?? 0 });
    } else {
      const suffix = /\.[^.]*$/.exec(entry.name)?.[0].toLowerCase() ?? '';
      others.set(suffix, (others.get(suffix) ?? 0) + 1);
    }
  }
}

function readFolder(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new DataError(`data: every folder must be readable, got ${reason}; check its permissions`, { path: folder });
  }
}

function nextStep(others: ReadonlyMap<string, number>): string {
  const shards = others.get('.tar') ?? 0;
  if (shards > 0) return `it holds ${shards} .tar files: give those as the data`;
  const seen = [...others].sort((a, b) => b[1] - a[1])[0];
  const formats = `photos end in ${PHOTO_SUFFIXES.join(' ')}`;
  return seen === undefined
    ? `the folder is empty; ${formats}`
    : `it holds ${filesText({ suffix: seen[0], count: seen[1] })}; ${formats}`;
}
