/** Where the files of an archive lie, for archives as torch.save writes them: nothing is compressed, so nothing can expand. */
import { fromFdPromise } from 'yauzl';
import { DataError, reasonOf } from '../../errors.js';
import type { Fail } from './fail.js';

/** The bytes of one file of the archive. */
export interface ByteRange {
  readonly startBytes: number;
  readonly sizeBytes: number;
}

interface Located extends ByteRange {
  readonly headerBytes: number; // where its own header begins
}

// A full checkpoint of the largest ViT has some 5,000 files.
const MAX_ENTRIES = 100_000;

const STORED = 0;

/**
 * The files of a zip archive by name: each is stored as it is, none reaches beyond the archive, and no two share a byte. Checksums are
 * not compared, as PyTorch does not.
 * @param file left open
 * @param fail throws; told which of these does not hold
 */
export async function zipEntries(file: number, fail: Fail): Promise<ReadonlyMap<string, ByteRange>> {
  const entries = await readDirectory(file, fail).catch((error: unknown) => {
    if (error instanceof DataError) throw error;
    return fail(`an archive must be whole, got: ${reasonOf(error)}; the file is truncated or damaged`);
  });
  const inOrder = [...entries].sort(([, a], [, b]) => a.headerBytes - b.headerBytes);
  let [endBytes, before] = [0, ''];
  for (const [name, { headerBytes, startBytes, sizeBytes }] of inOrder) {
    if (headerBytes < endBytes) fail(`files of an archive must not overlap, got ${before} and ${name}`);
    [endBytes, before] = [startBytes + sizeBytes, name];
  }
  return entries;
}

async function readDirectory(file: number, fail: Fail): Promise<Map<string, Located>> {
  const archive = await fromFdPromise(file, { autoClose: false });
  if (archive.entryCount > MAX_ENTRIES)
    fail(`an archive must have at most ${MAX_ENTRIES} files, got ${archive.entryCount}`);
  const entries = new Map<string, Located>();
  for await (const entry of archive.eachEntry()) {
    const {
      fileName,
      compressionMethod,
      uncompressedSize: sizeBytes,
      relativeOffsetOfLocalHeader: headerBytes,
    } = entry;
    if (entries.has(fileName)) fail(`an archive must have a file once, got ${fileName} twice`);
    if (compressionMethod !== STORED || entry.isEncrypted()) {
      fail(`${fileName} must be stored as torch.save does, got it compressed or encrypted; save it again in PyTorch`);
    }
    const { fileDataStart: startBytes } = await archive.readLocalFileHeaderPromise(entry, { minimal: true });
    entries.set(fileName, { headerBytes, startBytes, sizeBytes });
  }
  return entries;
}
