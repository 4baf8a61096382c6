/** Reads byte ranges of photos; archives stay open, since thousands of photos share one. */
import { closeSync, openSync } from 'node:fs';
import { readRange } from '../sources/tarArchive.js';
import { UnreadablePhotoError } from './decodePhoto.js';

const MAX_OPEN = 64;

export class PhotoFiles {
  private readonly open = new Map<string, number>();

  /**
   * The bytes of one photo.
   * @throws UnreadablePhotoError when the file is gone or shorter than it was; system errors as they are.
   */
  read(path: string, offsetBytes: number, sizeBytes: number): Buffer {
    const isArchive = offsetBytes > 0;
    const fd = isArchive ? this.archive(path) : openSync(path, 'r');
    try {
      const bytes = readRange(fd, offsetBytes, sizeBytes);
      if (bytes.length === sizeBytes) return bytes;
      throw new UnreadablePhotoError(`the file ends ${sizeBytes - bytes.length} bytes earlier than when it was listed`);
    } finally {
      if (!isArchive) closeSync(fd);
    }
  }

  /** Closes the archives. */
  close(): void {
    for (const fd of this.open.values()) closeSync(fd);
    this.open.clear();
  }

  private archive(path: string): number {
    const known = this.open.get(path);
    if (known !== undefined) return known;
    for (const [oldest, fd] of this.open) {
      if (this.open.size < MAX_OPEN) break;
      closeSync(fd);
      this.open.delete(oldest);
    }
    const fd = openSync(path, 'r');
    this.open.set(path, fd);
    return fd;
  }
}
