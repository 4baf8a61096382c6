/** A file list: one path a line, relative to the list's own folder, with an optional class name after a tab. */
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { DataError } from '../../errors.js';
import { fileStats } from './location.js';
import type { ListedSample, Listing } from './source.js';

/**
 * Lists the photos of a file list, in its order. A file that is not there is listed all the same and reported as unreadable
 * when its turn comes.
 * @throws DataError when the list is empty, when none of its files exists, or when only some lines have a class.
 */
export function listFileList(path: string): Listing {
  const folder = dirname(path);
  const samples: ListedSample[] = [];
  let numMissing = 0;
  for (const line of readFileSync(path, 'utf8').split(/\r?\n/)) {
    const [name = '', className] = line.split('\t').map((field) => field.trim());
    if (name === '') continue;
    const file = isAbsolute(name) ? name : join(folder, name);
    const stats = fileStats(file);
    if (stats === undefined) numMissing += 1;
    const sample = { id: name, path: file, offsetBytes: 0, sizeBytes: stats?.size ?? 0 };
    samples.push(className === undefined || className === '' ? sample : { ...sample, className });
  }
  const rule = (text: string, whatToDo: string): DataError =>
    new DataError(`data: ${text} in ${path}; ${whatToDo}`, { path });
  if (samples.length === 0) throw rule('a file list must name photos, got no line', 'write one path a line');
  if (numMissing === samples.length) {
    throw rule(
      `a file list's files must exist, got none of ${samples.length}`,
      `paths are relative to ${folder}; the first is ${samples[0]?.path ?? ''}`,
    );
  }
  const numLabelled = samples.filter((sample) => sample.className !== undefined).length;
  if (numLabelled !== 0 && numLabelled !== samples.length) {
    throw rule(
      `all lines or none must have a class, got ${numLabelled} of ${samples.length}`,
      'write path<TAB>class on every line',
    );
  }
  const numbered = samples.every((sample) => /^\d+$/.test(sample.className ?? ''));
  return {
    samples: numbered ? samples.map((sample) => ({ ...sample, className: String(Number(sample.className)) })) : samples,
    numbered,
    isList: true,
  };
}
