/**
 * A tar shard as a source: WebDataset samples (`key.jpg` with `key.cls`), or an image folder that was archived.
 *
 * Labels come from the `.cls` members when every photo has one, else from folders as in an image folder. Names of numbered
 * classes are read from `classes.txt` beside the shard, one a line. Source: webdataset tariterators (key: everything up
 * to the first dot after the last slash; names `__x__` are metadata).
 */
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DataError } from '../../errors.js';
import { classesByFolder, inFolderOrder } from './pathOrder.js';
import { isPhotoName, type ListedSample, type Listing } from './source.js';
import { readRange, readTarMembers, type TarMember } from './tarArchive.js';

const CLASS_FILE = 'classes.txt';
const MAX_CLASS_BYTES = 4096;

/**
 * Lists the photos of one shard: by folder order for an archived image folder, in archive order for WebDataset samples.
 * @throws DataError when the archive is damaged, cut short or holds no photo.
 */
export function listTarShard(path: string): Listing {
  const members = readTarMembers(path);
  const byName = new Map(members.map((member) => [member.name, member])); // of a member stored twice the later one counts
  const photos = [...byName.values()].filter((member) => isPhotoName(member.name) && !isHidden(member.name));
  if (photos.length === 0) {
    throw new DataError(
      `data: a tar shard must hold photos, got none among ${members.length} files in ${path}; is it the right archive?`,
      { path },
    );
  }
  const classFiles = new Map(members.filter((m) => suffixOf(m.name) === 'cls').map((m) => [keyOf(m.name), m]));
  if (photos.every((photo) => classFiles.has(keyOf(photo.name)))) return webDataset(path, photos, classFiles);
  const classes = classesByFolder(photos.map((photo) => plainName(photo.name)));
  const samples = photos.map((photo, i) => listed(path, photo, classes[i]));
  return { samples: classes[0] === undefined ? samples : inFolderOrder(samples), numbered: false };
}

function webDataset(path: string, photos: readonly TarMember[], classFiles: ReadonlyMap<string, TarMember>): Listing {
  const classOrder = readClassNames(join(dirname(path), CLASS_FILE));
  const seen = new Set<string>();
  const samples: ListedSample[] = [];
  let numbered = true;
  const fd = openSync(path, 'r');
  try {
    for (const photo of photos) {
      const key = keyOf(photo.name);
      const member = classFiles.get(key);
      if (member === undefined || seen.has(key)) continue; // the first picture of a sample is its photo
      seen.add(key);
      const text = readRange(fd, member.offsetBytes, Math.min(member.sizeBytes, MAX_CLASS_BYTES))
        .toString('utf8')
        .trim();
      const isNumber = /^\d+$/.test(text);
      numbered &&= isNumber;
      const className = isNumber ? (classOrder?.[Number(text)] ?? String(Number(text))) : text;
      samples.push(listed(path, photo, className));
    }
  } finally {
    closeSync(fd);
  }
  const named = classOrder !== undefined && samples.every((sample) => classOrder.includes(sample.className ?? ''));
  return named ? { samples, classOrder, numbered: false } : { samples, numbered };
}

function readClassNames(path: string): string[] | undefined {
  if (!existsSync(path)) return undefined;
  const lines = readFileSync(path, 'utf8').split(/\r?\n/);
  return lines.map((line) => line.trim()).filter((line) => line !== '');
}

function listed(path: string, photo: TarMember, className: string | undefined): ListedSample {
  const sample = { id: plainName(photo.name), path, offsetBytes: photo.offsetBytes, sizeBytes: photo.sizeBytes };
  return className === undefined ? sample : { ...sample, className };
}

/** A name without a leading `./`, as `tar cf x.tar .` writes it. */
function plainName(name: string): string {
  return name.replace(/^(\.?\/)+/, '');
}

function splitName(name: string): [key: string, suffix: string] {
  const dot = name.indexOf('.', name.lastIndexOf('/') + 1);
  return dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot + 1).toLowerCase()];
}

const keyOf = (name: string): string => splitName(name)[0];
const suffixOf = (name: string): string => splitName(name)[1];

/** Metadata of WebDataset (`__x__`) and hidden files: resource forks that macOS puts in archives. */
function isHidden(name: string): boolean {
  return /(^|\/)\.[^/.]/.test(name) || /(^|\/)__[^/]*__(\.|$)/.test(name);
}
