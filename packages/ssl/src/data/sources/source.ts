/**
 * What a source of photos is to the rest of the program: a table of byte ranges, read by index.
 *
 * A source never decodes and holds no file open; the decode processes read the ranges. Folders, tar shards and file lists
 * all become this table (openSource.ts).
 */
import type { DataFingerprint } from '../../protocol/run.js';

/** Where one photo's bytes lie. */
export interface SampleLocation {
  /** Name of the photo inside its source: relative path, or path inside the archive. Unique in the source. */
  readonly id: string;
  /** File that holds the bytes: the photo itself, or the archive. */
  readonly path: string;
  readonly offsetBytes: number;
  /** 0 for a listed file that is not there: it is reported as unreadable when its turn comes. */
  readonly sizeBytes: number;
  /** Position in `classNames`; absent when the source has no labels. */
  readonly label?: number;
}

export interface Source {
  /** As the user gave them. */
  readonly paths: readonly string[];
  readonly samples: readonly SampleLocation[];
  /** Empty when the source has no labels. */
  readonly classNames: readonly string[];
  readonly fingerprint: DataFingerprint;
  /** Files of folders that are no photos by their names, most first. */
  readonly notRead?: readonly FilesLike[];
}

/** Files whose names end alike. */
export interface FilesLike {
  readonly suffix: string; // lower case, with its dot; empty of names without one
  readonly count: number;
}

const SHOWN_SUFFIXES = 3;

/** One sentence on files that are passed over; undefined where there are none. */
export function notReadText({ notRead = [] }: Pick<Source, 'notRead'>): string | undefined {
  if (notRead.length === 0) return undefined;
  const shown = notRead.slice(0, SHOWN_SUFFIXES).map(filesText);
  const more = notRead.slice(SHOWN_SUFFIXES).reduce((sum, { count }) => sum + count, 0);
  const isOne = notRead.length === 1 && notRead[0]?.count === 1;
  return `${[...shown, ...(more > 0 ? [`${more} others`] : [])].join(', ')} ${isOne ? 'is' : 'are'} not read`;
}

/** `30 files like *.heic` */
export function filesText({ suffix, count }: FilesLike): string {
  return `${count} ${count === 1 ? 'file' : 'files'} ${suffix === '' ? 'without a suffix' : `like *${suffix}`}`;
}

/** Bytes of all files of photos. */
export function fileBytes({ samples }: Pick<Source, 'samples'>): number {
  return samples.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
}

/** A photo in words: its path, with its name where the path is that of an archive. */
export function photoText({ path, id }: Pick<SampleLocation, 'path' | 'id'>): string {
  return path.endsWith(id) ? path : `${path} (${id})`;
}

/** A photo that could not be read, and why: what the report of a run lists. */
export interface BadSample {
  readonly index: number; // position in the source
  readonly id: string;
  readonly path: string;
  readonly reason: string;
}

/** What one path turned out to hold, before several are joined. */
export interface Listing {
  readonly samples: readonly ListedSample[];
  /** Names in label order where the source states it (a class file beside WebDataset shards). */
  readonly classOrder?: readonly string[];
  /** Class names are numbers that someone else chose, so they sort as numbers. */
  readonly numbered: boolean;
  /** Its photos were named one by one: any file, and one twice. */
  readonly isList?: boolean;
  /** How many files there are beside, by suffix. */
  readonly others?: ReadonlyMap<string, number>;
}

/** A sample whose class is still a name. */
export interface ListedSample {
  readonly id: string;
  readonly path: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
  readonly className?: string;
}

/** Suffixes of files that count as photos, lower case. What a file really is, its first bytes decide when it is read. */
export const PHOTO_SUFFIXES: readonly string[] = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif'];

/** Whether a file's name makes it a photo. */
export function isPhotoName(name: string): boolean {
  const dot = name.lastIndexOf('.');
  return dot >= 0 && PHOTO_SUFFIXES.includes(name.slice(dot).toLowerCase());
}
